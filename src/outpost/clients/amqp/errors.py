"""What can go wrong with a broker.

    AmqpError
    ├── AmqpUnavailable           no broker did its part; the same call may work later
    │   ├── AmqpNotConnected      there was no connection, or no channel any more: nothing was sent
    │   └── AmqpConnectionLost    it was sent, and whether it was done is unknown
    ├── AmqpLoginRefused          the broker refused the user, the password or the virtual host
    ├── AmqpChannelClosed         the broker refused what was asked on a channel and closed it: `code` says why
    └── AmqpNotStored             the broker took a publication and did not store it
        ├── AmqpReturned          no queue is bound where it was sent
        └── AmqpNacked            a queue could not take it

Messages name host and port, and hold no body and no password.
"""


class AmqpError(Exception):
    """Something that was asked of a broker has no result.

    Attributes:
        endpoint: `host:port`, an IPv6 address in brackets.
    """

    def __init__(self, endpoint: str, detail: str) -> None:
        super().__init__(endpoint, detail)
        self.endpoint = endpoint
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.detail}"


class AmqpUnavailable(AmqpError):
    """No broker did its part."""


class AmqpNotConnected(AmqpUnavailable):
    """There is no connection or no channel, so nothing was sent."""


class AmqpConnectionLost(AmqpUnavailable):
    """The connection ended before the answer: whether what was asked was done is unknown."""


class AmqpLoginRefused(AmqpError):
    """The broker does not let this user in, or not into this virtual host."""


class AmqpChannelClosed(AmqpError):
    """The broker closed the channel. What was published on it and not confirmed may or may not have been stored.

    Attributes:
        code: The reply code: 403 not allowed, 404 not found, 405 in use by another, 406 differs from what was asked.
    """

    def __init__(self, endpoint: str, code: int, text: str) -> None:
        super().__init__(endpoint, f"the broker closed the channel: {code} {text}")
        self.args = (endpoint, code, text)  # what a copy is made of
        self.code = code


class AmqpNotStored(AmqpError):
    """At least one publication was not stored."""


class AmqpReturned(AmqpNotStored):
    """No queue is bound where it was sent, so the broker gave it back."""


class AmqpNacked(AmqpNotStored):
    """The broker said that a queue could not take it."""


class ProtocolError(Exception):
    """The peer does not keep to the protocol; what follows cannot be understood. Never leaves this package."""
