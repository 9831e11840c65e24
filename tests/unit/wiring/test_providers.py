"""Settings of destination types become what the types are made of."""

import pytest

from outpost.config.settings import Settings
from outpost.config.webhook import WebhookSettings
from outpost.domain.errors import ConfigurationError
from outpost.wiring.providers import webhook_proxy


def test_without_a_setting_there_is_no_proxy() -> None:
    assert webhook_proxy(Settings()) is None


def test_a_proxy_that_cannot_be_is_refused_by_name_and_not_quoted() -> None:
    with pytest.raises(ConfigurationError) as caught:
        webhook_proxy(Settings(webhook=WebhookSettings(proxy_url="socks5://me:secret@proxy")))

    assert str(caught.value).startswith("DESTINATIONS_WEBHOOK_PROXY_URL: the URL must start with http:// or https://")
    assert "secret" not in str(caught.value)
