"""The beat of live streams: as soon as a tick is over by the clock of Redis, what came in it is read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from clickloom.live import TICK_MS
from clickloom.streams import clock_ms

log = structlog.get_logger()

BEHIND_S = 0.005  # the end of a tick: nothing is asked twice for want of a moment
LONGEST_S = 5.0  # without a beat while Redis is away: subscribers are to be sent heartbeats


class Beat:
    """Wakes whoever waits after each tick."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._next = asyncio.Event()
        self.ended = False
        self.closed_ms: int | None = None  # up to there nothing more comes, and all was read; None: not known yet

    @contextlib.asynccontextmanager
    async def running(self, read: Callable[[int], Awaitable[None]], stop: asyncio.Event) -> AsyncIterator[None]:
        """Beat as long as the block lasts. read: is told up to when; may raise RedisError."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in (self._run(read), self._wake(), self._end(stop))]
            try:
                yield
            finally:
                self.ended = True  # ends it too: a cancellation can get lost on the way through redis-py
                for task in tasks:
                    task.cancel()

    async def next(self) -> bool:
        """Wait for the next beat, or some seconds if there is none; False: there will be no more."""
        await self._next.wait()
        return not self.ended

    def _notify(self) -> None:
        now, self._next = self._next, asyncio.Event()
        if self.ended:
            self._next.set()
        now.set()

    async def _end(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.ended = True
        self._notify()

    async def _wake(self) -> None:
        while not self.ended:
            await asyncio.sleep(LONGEST_S)
            self._notify()

    async def _run(self, read: Callable[[int], Awaitable[None]]) -> None:
        while not self.ended:
            try:
                now_ms = await clock_ms(self._redis)
                end_ms = now_ms - now_ms % TICK_MS
                if self.closed_ms is None or end_ms > self.closed_ms:
                    await read(end_ms)
                    self.closed_ms = end_ms
                    self._notify()
                    now_ms = await clock_ms(self._redis)
                await asyncio.sleep((TICK_MS - now_ms % TICK_MS) / 1_000 + BEHIND_S)
            except RedisError as error:
                log.warning("live.store_away", reason=str(error))
                await asyncio.sleep(1)
