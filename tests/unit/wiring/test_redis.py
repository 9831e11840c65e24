"""Settings of Redis that no client can be made of."""

from pathlib import Path

import pytest

from outpost.config.redis import RedisSettings
from outpost.domain.errors import ConfigurationError
from outpost.wiring.redis import redis_client


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), ("no certificate", "no certificate")])
def test_a_file_of_authorities_that_is_none_is_refused_by_name(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ConfigurationError, match=f"REDIS_TLS_CA_FILE: {file} cannot be read: .*{reason}"):
        redis_client(RedisSettings(tls_enabled=True, tls_ca_file=str(file)), name="outpost")
