"""The destination types keep their port's promises."""

import socket
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial
from ipaddress import IPv4Address
from typing import Literal

import pytest

from outpost.clients.http import Address, HttpClient
from outpost.conformance.provider import ProviderConformance, ProviderHarness
from outpost.destinations.egress import EgressPolicy
from outpost.destinations.webhook.provider import WebhookProvider
from outpost.destinations.webhook.settings import WebhookSettings
from tests.support.builders import a_destination
from tests.support.receiver import Receiver

_TIMEOUT = timedelta(seconds=1)
_SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class TestWebhook(ProviderConformance):
    mode: Literal["default", "standard"] = "default"
    broken_credentials = ("credentials.previous_secret_invalid_at",)

    @pytest.fixture
    async def harness(self) -> AsyncIterator[ProviderHarness]:
        egress = EgressPolicy(allow=["receiver.example"])
        async with Receiver() as receiver, HttpClient(check=egress.check, resolver=_here) as client:
            port = receiver.url("").rpartition(":")[2]
            url = f"http://me:pass-word@receiver.example:{port}/hook"
            whole = partial(a_destination, credentials={"secret": _SECRET})

            async def received(count: int) -> Sequence[bytes]:
                return [request.body for request in await receiver.until(count, "/hook")]

            yield ProviderHarness(
                provider=WebhookProvider(WebhookSettings(mode=self.mode, timeout=_TIMEOUT), client),
                destination=whole(config={"url": url}),
                unreachable=whole(config={"url": url.replace(port, str(_unused_port()))}),
                forbidden=whole(config={"url": url.replace("receiver.example", "127.0.0.1")}),
                secrets=[_SECRET, "pass-word"],
                broken=whole(
                    config={"url": "nowhere", "custom_headers": "[]"},
                    credentials={"secret": "s", "previous_secret": "p"},
                ),
                broken_fields=["config.url", "config.custom_headers", *self.broken_credentials],
                received=received,
                hold=partial(receiver.hold, "/hook"),
                let_go=partial(receiver.let_go, "/hook"),
                timeout=_TIMEOUT,
            )


class TestStandardWebhook(TestWebhook):
    mode = "standard"
    broken_credentials = (
        "credentials.secret",
        "credentials.previous_secret",
        "credentials.previous_secret_invalid_at",
    )


async def _here(host: str, port: int) -> Sequence[Address]:
    return [IPv4Address("127.0.0.1")]


def _unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
