"""Around the app, for whoever hosts it: whether it is well, what it was asked for, and how much may be sent."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from prefix_core.errors import why_not
from prefix_core.ui.log import log
from prefix_core.ui.room import LONG_LINE, SHORT_LINE

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from prefix_core.ui.loading import Loading

HEALTH = "/health"
LARGEST_FILE = 24 << 20  # bytes; a prefix of 546 vectors on the default base takes as many
MOST_SENT = LARGEST_FILE + (1 << 20)  # bytes of one request: a file, and what a form puts around it
MOST_STREAMS = 400  # answers that are open at the same time; a page has two
SLOWEST = 60.0  # seconds in which a request has to arrive whole
NAME = re.compile(r"[a-z_]{1,20}")  # a part of an address that is nobody's secret


def around(loadings: Sequence[Loading]) -> dict[str, Any]:
    """What Gradio's server is started with: the route `/health`, and the limits."""

    def health(request: Request) -> JSONResponse:
        """200 once every base can write, 503 while one is loading or where one cannot be had."""
        bases = {loading.name: loading.state for loading in loadings}
        writing = sum(min(len(line.standing), line.at_once) for line in (SHORT_LINE, LONG_LINE))
        waiting = sum(len(line.standing) for line in (SHORT_LINE, LONG_LINE)) - writing
        well = all(state == "ready" for state in bases.values())
        return JSONResponse(
            {"well": well, "bases": bases, "writing": writing, "waiting": waiting}, status_code=200 if well else 503
        )

    return {"routes": [Route(HEALTH, health)], "middleware": [Middleware(Gatekeeper)]}


def route(path: str) -> str:
    """The part of an address that names what was asked for, not whose session it is, or which file."""
    names = []
    for part in path.split("/")[1:5]:
        name, rest, _ = part.partition("=")
        if not NAME.fullmatch(name):
            break
        names.append(name)
        if rest or name == "heartbeat":
            break
    return "/" + "/".join(names)


class Gatekeeper:
    """ASGI: what is too large, too slow or too much is answered with its limit; everything else is logged."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.open = app, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == HEALTH:
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        told = headers.get(b"content-length", b"0")
        if not told.isdigit() or int(told) > MOST_SENT:
            await _refuse(scope, send, 413, f"A request may have {MOST_SENT:,} bytes.")
            return
        if self.open >= MOST_STREAMS:
            await _refuse(scope, send, 503, f"{MOST_STREAMS} answers are open, which is the most. Try again later.")
            return
        self.open += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self.open -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, came, whole, status = time.monotonic(), 0, False, 0

        async def counted() -> Message:
            nonlocal came, whole
            left = None if whole else max(0.0, began + SLOWEST - time.monotonic())
            try:
                message = await asyncio.wait_for(receive(), left)
            except TimeoutError:
                return {"type": "http.disconnect"}
            came += len(message.get("body", b""))
            whole = not message.get("more_body")
            return message if came <= MOST_SENT else {"type": "http.disconnect"}  # whatever the header said

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except OSError as error:  # of a file that is being received
            if status or (why := why_not(error)) is None:
                raise
            await _refuse(scope, noted, 507, f"This cannot be received: {why}. Try again later.")
        finally:
            if scope["method"] != "GET" or status >= 400:
                took = round(time.monotonic() - began, 3)
                asked = {"method": scope["method"], "path": route(scope["path"])}
                log("request", **asked, status=status, bytes=came, seconds=took)


async def _refuse(scope: Scope, send: Send, status: int, words: str) -> None:
    log("refused", method=scope["method"], path=route(scope["path"]), status=status)
    head = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": json.dumps({"error": words}).encode()})
