"""A small TCP proxy before Redis that cuts connections at a chosen moment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit

Moment = Literal["before", "after"]


class Proxy:
    """Cuts the connection over which a request with a certain text comes: `before` Redis gets it, or `after` Redis has
    answered and before the answer comes back."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._text = b""
        self._moment: Moment = "before"
        self._left = 0
        self.cuts = 0  # made so far
        self.url = ""

    def cut(self, text: str, moment: Moment, *, times: int) -> None:
        """Cut at the next `times` requests that hold the text."""
        self._text, self._moment, self._left = text.encode(), moment, times

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection."""
        server_reader, server_writer = await asyncio.open_unix_connection(self._socket_path)
        doomed = asyncio.Event()
        ways = [
            asyncio.create_task(self._requests(reader, server_writer, doomed)),
            asyncio.create_task(self._answers(server_reader, writer, doomed)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (server_writer, writer):
            end.close()

    async def _requests(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while some := await reader.read(2**16):
                if self._left and self._text in some:
                    self._left -= 1
                    if self._moment == "before":
                        self.cuts += 1
                        return
                    doomed.set()
                server.write(some)
                await server.drain()

    async def _answers(self, server: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        with contextlib.suppress(ConnectionError):
            while some := await server.read(2**16):
                if doomed.is_set():
                    self.cuts += 1
                    return
                writer.write(some)
                await writer.drain()


@asynccontextmanager
async def proxy_before(redis_url: str) -> AsyncIterator[Proxy]:
    """A proxy on a free loopback port before the Redis that listens on the URL's socket."""
    proxy = Proxy(urlsplit(redis_url).path)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server:
        proxy.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy
