"""What connections need to hand plain publish requests straight to the publisher, and what they remember of them."""

from collections.abc import Callable, Mapping

from outpost.pipeline.publish import PublishCommand, PublishResult, Submit


class KnownHeads:
    """Request heads that were read before and found to be those of plain publish requests on kept connections."""

    _MOST = 1_024
    _LONGEST = 2_048

    def __init__(self) -> None:
        self._lengths: dict[bytes, int] = {}

    def body_length(self, head: bytes) -> int | None:
        """Return the length of the body that follows; None if the head is not known."""
        return self._lengths.get(head)

    def remember(self, head: bytes, body_length: int) -> None:
        if len(head) > self._LONGEST:
            return
        if len(self._lengths) >= self._MOST:
            self._lengths.clear()
        self._lengths[head] = body_length


class PublishRoad:
    """What a connection needs to take the short road; one for all connections."""

    def __init__(
        self,
        *,
        api_key: str,
        max_body: int,
        decode: Callable[[bytes], PublishCommand],
        submit: Submit,
        encode: Callable[[PublishResult], bytes],
        refuse: Callable[[Exception], tuple[int, Mapping[str, str], bytes]],
    ) -> None:
        """Args:
        api_key: Empty closes the short road.
        refuse: Status, headers and body for what `decode` raises or the future ends with.
        """
        self.authorization = b"Bearer " + api_key.encode() if api_key else None
        self.max_body = max_body
        self.decode = decode
        self.submit = submit
        self.encode = encode
        self.refuse = refuse
        self.heads = KnownHeads()
