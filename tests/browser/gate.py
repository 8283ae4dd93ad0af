"""What stands before the API and can be in trouble: a server that is overloaded, a network that is slow or fails."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass
class Gate:
    """Hands requests on, and keeps the bodies of those that bring events."""

    app: ASGIApp | None = None
    busy: int = 0  # so many requests are answered 503
    mute: int = 0  # so many are done, and the connection cut before the answer
    delay_s: float = 0.0  # before a request is looked at
    bodies: list[bytes] = field(default_factory=list)

    def before(self, app: ASGIApp) -> ASGIApp:
        self.app = app
        return self

    @property
    def events(self) -> list[dict[str, Any]]:
        """All that came, one request after the other."""
        return [event for body in self.bodies for event in json.loads(body)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        if scope["type"] != "http" or scope["path"] != "/v1/page-events":
            await self.app(scope, receive, send)
            return
        body = await _whole(receive)
        await asyncio.sleep(self.delay_s)
        self.bodies.append(body)
        if self.busy:
            self.busy -= 1
            headers = {"Access-Control-Allow-Origin": "*", "Retry-After": "1"}
            await PlainTextResponse("busy", 503, headers)(scope, receive, send)
        elif self.mute:
            self.mute -= 1
            await self.app(scope, _again(body), _nowhere)
            raise ConnectionAbortedError("the answer is lost")
        else:
            await self.app(scope, _again(body), send)


async def _whole(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _again(body: bytes) -> Receive:
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return parts.pop() if parts else {"type": "http.disconnect"}

    return receive


async def _nowhere(_: Message) -> None:
    pass
