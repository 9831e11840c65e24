"""An open way to one webhook: builds the request, sends it, says what came of it."""

import asyncio
import base64
import re
from datetime import datetime
from functools import cached_property
from urllib.parse import urljoin

import msgspec

from outpost.clients.http import (
    ConnectionRefused,
    ConnectionReset,
    DeadlineExceeded,
    HttpClient,
    HttpError,
    InvalidUrl,
    NameNotResolved,
    NetworkUnreachable,
    ProxyUnavailable,
    Response,
    TlsFailed,
    TunnelRefused,
    Url,
)
from outpost.destinations.egress import EgressRefused
from outpost.destinations.webhook.captured import NO_CAP, body_text
from outpost.destinations.webhook.headers import HeaderPlan
from outpost.destinations.webhook.proxied import code_of_answer, code_of_refusal
from outpost.destinations.webhook.secrets import PREVIOUS, SECRET, ends_at
from outpost.destinations.webhook.settings import WebhookSettings
from outpost.destinations.webhook.signature import Key, Signer
from outpost.domain.attempt import AttemptStatus
from outpost.domain.delivery import DeliveryResult, DeliveryTask
from outpost.domain.destination import Destination
from outpost.domain.errors import Unavailable
from outpost.domain.event import Event

_CODES: tuple[tuple[type[HttpError], str], ...] = (
    (NameNotResolved, "dns_error"),
    (ConnectionRefused, "connection_refused"),
    (ConnectionReset, "connection_reset"),
    (NetworkUnreachable, "network_unreachable"),
    (DeadlineExceeded, "timeout"),
    (TlsFailed, "tls_error"),
    (HttpError, "network_error"),
)
_MOST_REDIRECTS = 10
# What must not follow a redirect to another server.
_CREDENTIALS = re.compile(rb"^(?:authorization|cookie|www-authenticate): .*\r\n", re.MULTILINE)
_encode = msgspec.json.Encoder().encode
_UNREADABLE = msgspec.json.encode({"error": "could not format event for delivery"})


class WebhookSender:
    """Sends events of one destination; holds nothing but what can be computed ahead."""

    def __init__(
        self,
        destination: Destination,
        *,
        client: HttpClient,
        settings: WebhookSettings,
        signer: Signer,
        headers: HeaderPlan,
    ) -> None:
        self._client = client
        self._settings = settings
        self._signer = signer
        self._headers = headers
        self._timeout = settings.timeout.total_seconds()
        self._cap = settings.max_response_body_bytes if settings.max_response_body_bytes > 0 else NO_CAP
        self._secrets = (destination.credentials.get(SECRET, ""), destination.credentials.get(PREVIOUS, ""))
        self._previous_ends = ends_at(destination.credentials)
        self._url = _parsed(destination.config.get("url", ""))
        self._own = headers.own(destination, _authorization(self._url))

    async def send(self, task: DeliveryTask, *, now: datetime) -> DeliveryResult:
        url, body = self._url, task.event.data
        if url is None:
            return _failed("ERR", _UNREADABLE)
        try:
            head = self._head(task.event, now)
        except ValueError:  # a template or a secret that cannot be used
            return _failed("ERR", _UNREADABLE)
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            response = await self._client.request(b"POST", url, head, body, deadline=deadline, max_body=self._cap)
            if self._settings.follow_redirects:
                response = await self._follow(url, response, head, body, deadline)
        except EgressRefused as error:
            return _failed("egress_refused", msgspec.json.encode({"error": str(error)}))
        except _TooManyRedirects:
            return _failed("redirect_error", None)
        except ProxyUnavailable as error:  # the operator's; the destination has no part in it
            raise Unavailable(f"webhooks cannot be sent now: {error}", dependency="the proxy of webhooks") from error
        except TunnelRefused as error:
            return _failed(code_of_refusal(error), None)
        except HttpError as error:
            return _failed(next(code for kind, code in _CODES if isinstance(error, kind)), None)
        except OSError as error:  # this machine's own trouble; the destination has no part in it
            sentence = f"webhooks cannot be sent now: {error.strerror}"
            raise Unavailable(sentence, dependency="this machine") from error
        if self._client.proxied and (code := code_of_answer(response.headers)):
            return _failed(code, None)
        return self._result(response)

    async def close(self) -> None:
        """Nothing to free: connections belong to the client."""

    @cached_property
    def _key(self) -> Key:
        return self._signer.key(self._secrets[0])

    @cached_property
    def _previous_key(self) -> Key:
        return self._signer.key(self._secrets[1])

    def _head(self, event: Event, now: datetime) -> bytes:
        signature = None
        if self._headers.signs:
            is_rotating = self._previous_ends is not None and now <= self._previous_ends
            keys = (self._key, self._previous_key) if is_rotating else (self._key,)
            signature = self._signer.sign(keys, event_id=event.id, topic=event.topic, at=now, body=event.data)
        return self._headers.encode(self._own, event, signature, now)

    async def _follow(self, url: Url, response: Response, head: bytes, body: bytes, deadline: float) -> Response:
        method = b"POST"
        for _ in range(_MOST_REDIRECTS):
            following = _redirection(url, response)
            if following is None:
                return response
            if response.status in (301, 302, 303):
                method, body = b"GET", b""
            if following.origin != url.origin:
                head = _CREDENTIALS.sub(b"", head)
            url = following
            response = await self._client.request(method, url, head, body, deadline=deadline, max_body=self._cap)
        raise _TooManyRedirects

    def _result(self, response: Response) -> DeliveryResult:
        status = AttemptStatus.SUCCESS if 200 <= response.status < 300 else AttemptStatus.FAILED
        data = _encode({"status": response.status, "body": body_text(response, self._cap)})
        return DeliveryResult(status=status, code=str(response.status), response_data=data)


class _TooManyRedirects(Exception):
    """The redirects do not end."""


def _parsed(text: str) -> Url | None:
    try:
        return Url.parse(text)
    except InvalidUrl:
        return None


def _authorization(url: Url | None) -> str | None:
    """HTTP Basic, from the user and password in a URL."""
    if url is None or url.user_info is None:
        return None
    return "Basic " + base64.b64encode(":".join(url.user_info).encode()).decode()


def _redirection(url: Url, response: Response) -> Url | None:
    """Return where a response to `url` sends us, None for nowhere."""
    location = dict(response.headers).get(b"location")
    if response.status not in (301, 302, 303, 307, 308) or location is None:
        return None
    try:
        here = f"{url.scheme}://{url.authority.decode()}{url.target.decode()}"
        return _parsed(urljoin(here, location.decode("latin-1")))
    except ValueError:  # `http://[`
        return None


def _failed(code: str, data: bytes | None) -> DeliveryResult:
    return DeliveryResult(status=AttemptStatus.FAILED, code=code, response_data=data)
