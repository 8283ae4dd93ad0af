"""An API to ask, and a network that fails."""

from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.services.api.conftest import api, keep, locked, make

__all__ = ["api", "keep", "locked", "make"]  # fixtures of the API's own tests


class Failing:
    """Before the API: breaks answers of one path off, `times` times, after so many parts of their body."""

    def __init__(self, path: str, *, after: int, times: int = 1) -> None:
        self._path = path
        self._after = after
        self._left = times
        self.asked: list[dict[str, str]] = []  # the headers of each request

    def __call__(self, app: ASGIApp) -> ASGIApp:
        async def failing(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] != self._path:
                return await app(scope, receive, send)
            self.asked.append({name.decode(): value.decode() for name, value in scope["headers"]})
            if self._left == 0:
                return await app(scope, receive, send)
            self._left -= 1
            return await app(scope, receive, self._breaking(send))

        return failing

    def _breaking(self, send: Send) -> Callable[[Message], Any]:
        parts = 0

        async def broken(message: Message) -> None:
            nonlocal parts
            if message["type"] == "http.response.body":
                parts += 1
                if parts > self._after:
                    raise ConnectionResetError("the test breaks it off")
            await send(message)

        return broken
