"""The receiver that `outpost dev` brings along: send a webhook to `/dev/receiver` and look at what arrived."""

import html
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from outpost.ports.clock import Clock

_KEPT = 50
_SHOWN_BYTES = 65_536

Verify = Callable[[Mapping[str, str], bytes], Awaitable[str]]
"""Says in a few words whether the signature of a request holds."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One request that arrived.

    Attributes:
        signature: What checking the signature said.
    """

    received_at: datetime
    path: str
    headers: dict[str, str]
    body: str
    signature: str


class DevReceiver:
    """Keeps the last fifty arrivals in memory and shows them, newest first."""

    def __init__(self, *, verify: Verify, clock: Clock) -> None:
        self._verify = verify
        self._clock = clock
        self._arrivals: deque[Arrival] = deque(maxlen=_KEPT)

    def routes(self) -> list[Route]:
        return [
            Route("/dev/receiver", self._show, methods=["GET"]),
            Route("/dev/receiver", self._receive, methods=["POST"]),
            Route("/dev/receiver/{rest:path}", self._receive, methods=["POST"]),
        ]

    async def _receive(self, request: Request) -> Response:
        body = await request.body()
        headers = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
        self._arrivals.appendleft(
            Arrival(
                received_at=self._clock(),
                path=request.url.path,
                headers=headers,
                body=body[:_SHOWN_BYTES].decode(errors="replace"),
                signature=await self._verify(headers, body),
            )
        )
        return JSONResponse({"received": True})

    async def _show(self, request: Request) -> Response:
        if "application/json" in request.headers.get("accept", ""):
            return Response(msgspec.json.encode(list(self._arrivals)), media_type="application/json")
        shown = "".join(_section(arrival) for arrival in self._arrivals) or _NOTHING_YET
        return HTMLResponse(_PAGE.replace("@ARRIVALS@", shown), headers={"Content-Security-Policy": _POLICY})


def _section(arrival: Arrival) -> str:
    try:
        body = json.dumps(json.loads(arrival.body), indent=2, ensure_ascii=False)
    except ValueError:
        body = arrival.body
    headers = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in sorted(arrival.headers.items())
    )
    verdict = "good" if arrival.signature == "verified" else "bad"
    return (
        f"<article><h2>{arrival.received_at:%H:%M:%S} UTC <code>{html.escape(arrival.path)}</code> "
        f'<span class="{verdict}">signature {html.escape(arrival.signature)}</span></h2>'
        f"<pre>{html.escape(body)}</pre><table>{headers}</table></article>"
    )


_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_NOTHING_YET = "<p>Nothing has arrived yet. Create a destination with this page's address as its URL and publish.</p>"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="3">
<meta name="viewport" content="width=device-width">
<title>Outpost receiver</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
  article { border: 1px solid #d0d0d0; border-radius: 8px; padding: 1rem; margin: 1rem 0 }
  h1 { font-size: 1.4rem } h2 { font-size: 1rem; margin: 0 }
  pre { background: #f5f5f5; padding: .75rem; border-radius: 6px; overflow-x: auto }
  th { text-align: left; font-weight: 500; padding-right: 1rem; vertical-align: top } td { word-break: break-all }
  .good { color: #0a6b2d } .bad { color: #a02020 }
</style>
</head>
<body>
<h1>What arrived at this receiver</h1>
@ARRIVALS@
</body>
</html>
"""
