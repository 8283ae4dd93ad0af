"""Many subscribers of the live numbers in a process of their own, which counts what each is given."""

import asyncio
import contextlib
import multiprocessing
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, cast

REQUEST = b"GET /v1/live/metrics HTTP/1.1\r\nHost: bench\r\n\r\n"
DATA = b"\ndata: "


class _Subscriber(asyncio.Protocol):
    """An event whose line begins in one portion of bytes and ends in the next is not counted: there is one in many."""

    def __init__(self, counts: Any, number: int) -> None:
        self._counts = counts
        self._number = number

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self._counts[self._number] += data.count(DATA)


@contextlib.contextmanager
def crowd(port: int, size: int) -> Iterator[Sequence[int]]:
    """How many events each has been given so far, as long as the block lasts."""
    context = multiprocessing.get_context("spawn")
    counts = context.RawArray("Q", size)
    process = context.Process(target=_run, args=(port, counts), daemon=True)
    process.start()
    try:
        yield counts
    finally:
        process.terminate()
        process.join()


def _run(port: int, counts: Any) -> None:
    asyncio.run(_subscribe(port, counts))


async def _subscribe(port: int, counts: Any) -> None:
    loop = asyncio.get_running_loop()
    for number in range(len(counts)):
        await loop.create_connection(partial(_Subscriber, counts, number), "127.0.0.1", port)
    await asyncio.Event().wait()
