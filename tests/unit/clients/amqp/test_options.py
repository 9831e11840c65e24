"""URLs of brokers."""

import ssl
from pathlib import Path

import pytest

from outpost.clients.amqp import AmqpOptions
from tests.support.certificates import make_certificates


@pytest.mark.parametrize(
    ("url", "host", "port", "virtual_host"),
    [
        ("amqp://broker", "broker", 5672, "/"),
        ("amqp://broker/", "broker", 5672, "/"),
        ("amqp://broker/%2F", "broker", 5672, "/"),
        ("amqp://broker/one%2Ftwo", "broker", 5672, "one/two"),
        ("amqp://broker/one/two", "broker", 5672, "one/two"),
        ("amqps://broker:1/%C3%BC", "broker", 1, "ü"),
        ("amqps://broker/v", "broker", 5671, "v"),
        ("amqp://[::1]:7/v", "::1", 7, "v"),
        ("amqp:///v", "localhost", 5672, "v"),
    ],
)
def test_a_url_names_host_port_and_virtual_host(url: str, host: str, port: int, virtual_host: str) -> None:
    options = AmqpOptions.parse(url)

    assert (options.host, options.port, options.virtual_host) == (host, port, virtual_host)


@pytest.mark.parametrize(
    ("url", "user", "password"),
    [
        ("amqp://broker", "guest", "guest"),
        ("amqp://me@broker", "me", "guest"),
        ("amqp://me:@broker", "me", ""),
        ("amqp://m%40e:p%3A%2F%23%3F@broker", "m@e", "p:/#?"),
    ],
)
def test_user_and_password_are_percent_decoded(url: str, user: str, password: str) -> None:
    options = AmqpOptions.parse(url)

    assert (options.user, options.password) == (user, password)


def test_what_follows_the_question_mark_is_read_like_other_clients_do() -> None:
    options = AmqpOptions.parse("amqp://broker/?heartbeat=3&connection_timeout=1500&channel_max=7")

    assert options.heartbeat == 3
    assert options.connect_timeout == 1.5


@pytest.mark.parametrize(
    "url",
    [
        "amqp://me:top/secret@broker",
        "amqp://me:secret@broker:port",
        "http://me:secret@broker",
        "amqp://secret?heartbeat=x",
    ],
)
def test_an_error_shows_nothing_of_the_url(url: str) -> None:
    with pytest.raises(ValueError, match="AMQP URL") as caught:
        AmqpOptions.parse(url)

    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(AmqpOptions.parse("amqp://me:secret@broker"))


def test_amqps_verifies_certificates(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)

    tls = AmqpOptions.parse(f"amqps://broker/?cacertfile={files.ca_file}").tls

    assert tls is not None
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.check_hostname
    assert AmqpOptions.parse("amqp://broker").tls is None


def test_a_missing_authority_is_an_error_at_once() -> None:
    with pytest.raises(OSError, match="No such file"):
        AmqpOptions.parse("amqps://broker/?cacertfile=missing.pem")
