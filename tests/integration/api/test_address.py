"""Which addresses requests come in at."""

import contextlib
import errno
import socket

import pytest

from outpost.api import address
from outpost.api.address import EVERY_INTERFACE, bound_socket
from outpost.domain.errors import ConfigurationError


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


def _answers_at(host: str, port: int) -> bool:
    with socket.create_connection((host, port), timeout=5):
        return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
def test_every_interface_is_ipv6_and_ipv4() -> None:
    with bound_socket(EVERY_INTERFACE, 0) as bound:
        bound.listen()
        port = bound.getsockname()[1]

        assert _answers_at("127.0.0.1", port)
        assert _answers_at("::1", port)


def test_where_there_is_no_ipv6_it_is_ipv4_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket

    def without_ipv6(family: socket.AddressFamily) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no IPv6")
        return real(family)

    monkeypatch.setattr(address.socket, "socket", without_ipv6)
    with bound_socket(EVERY_INTERFACE, 0) as bound:
        monkeypatch.undo()
        bound.listen()

        assert bound.family == socket.AF_INET
        assert _answers_at("127.0.0.1", bound.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", EVERY_INTERFACE])
def test_a_port_that_another_program_listens_on_is_told(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(ConfigurationError, match=f"cannot listen on {host}:{port}: .* Set API_PORT"):
            bound_socket(host, port)


def test_a_shared_port_may_be_bound_twice() -> None:
    with bound_socket("127.0.0.1", 0, shares_port=True) as first:
        port = first.getsockname()[1]

        with bound_socket("127.0.0.1", port, shares_port=True) as second:
            assert second.getsockname()[1] == port
