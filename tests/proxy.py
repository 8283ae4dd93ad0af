"""A small TCP proxy before a store: it cuts connections at a chosen moment, and is a network that fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit

Moment = Literal["before", "amid", "after"]


class Proxy:
    """Hands on what comes, until told otherwise.

    `cut` is about the connection over which a request with a certain text comes: it ends `before` the store gets the
    request, `amid` it, or `after` the store has answered and before the answer comes back. `refuse`, `silence` and
    `delay_s` are about all connections, until `mend`.
    """

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._text = b""
        self._moment: Moment = "before"
        self._left = 0
        self._refusing = False
        self._speaking = asyncio.Event()
        self._speaking.set()
        self._connections: set[asyncio.Task[None]] = set()
        self.delay_s = 0.0  # of everything, either way
        self.cuts = 0  # made so far
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def cut(self, text: str, moment: Moment, *, times: int) -> None:
        """Cut at the next `times` requests that hold the text."""
        self._text, self._moment, self._left = text.encode(), moment, times

    def refuse(self) -> None:
        """End all connections, and new ones at once."""
        self._refusing = True
        for connection in self._connections:
            connection.cancel()

    async def idle(self) -> None:
        """Wait until no connection is left."""
        if self._connections:
            await asyncio.wait(self._connections)

    def silence(self) -> None:
        """Let nothing through: it arrives when all is mended, even if its sender has given up by then."""
        self._speaking.clear()

    def mend(self) -> None:
        self._left = 0
        self._refusing = False
        self.delay_s = 0.0
        self._speaking.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection."""
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            if not self._refusing:
                await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the store is away, or the network
        finally:
            self._connections.discard(connection)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._socket_path)
        doomed = asyncio.Event()
        ways = [
            asyncio.create_task(self._requests(reader, server_writer, doomed)),
            asyncio.create_task(self._answers(server_reader, writer, doomed)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
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
                    if self._moment == "after":
                        doomed.set()
                    else:
                        self.cuts += 1
                        server.write(some[: len(some) // 2] if self._moment == "amid" else b"")
                        return
                await self._hand_on(some, server)

    async def _answers(self, server: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        with contextlib.suppress(ConnectionError):
            while some := await server.read(2**16):
                if doomed.is_set():
                    self.cuts += 1
                    return
                await self._hand_on(some, writer)

    async def _hand_on(self, some: bytes, writer: asyncio.StreamWriter) -> None:
        await self._speaking.wait()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        writer.write(some)
        await writer.drain()


@asynccontextmanager
async def proxy_before(url: str) -> AsyncIterator[Proxy]:
    """A proxy on a free loopback port before the Redis that listens on the URL's socket, or on a socket's path."""
    proxy = Proxy(urlsplit(url).path)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.refuse()
        await proxy.idle()
