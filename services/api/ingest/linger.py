"""Concurrent requests share one write: a flood of single events becomes record batches."""

import asyncio
from collections.abc import Sequence

from clickloom.click import Click
from clickloom.publish import Placed, Publisher
from clickloom.times import now_us

LINGER_S = 0.001


class LingeringPublisher:
    """Gathers the clicks of a moment and publishes them as one."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._waiting: list[Click] = []
        self._next: asyncio.Task[Placed] | None = None

    async def publish(self, clicks: Sequence[Click]) -> Placed:
        """Returns when the clicks are in Redis, where they are, among others; raises what Redis raised."""
        self._waiting += clicks
        if self._next is None:
            self._next = asyncio.create_task(self._flush())
            self._next.add_done_callback(_see)
        return await asyncio.shield(self._next)  # one caller's hanging up must not take the others' clicks with it

    async def _flush(self) -> Placed:
        await asyncio.sleep(LINGER_S)
        clicks, self._waiting, self._next = self._waiting, [], None
        return await self._publisher.publish(clicks, arrival_us=now_us())


def _see(flush: asyncio.Task[Placed]) -> None:
    """Take note of an error even if every caller has hung up; asyncio would complain of it."""
    if not flush.cancelled():
        flush.exception()
