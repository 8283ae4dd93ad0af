"""Back pressure: who brings clicks waits while Redis is too full to take them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, RedisError

from clickloom.connect import memory_of
from clickloom.memory import Amount, HighWater
from clickloom.metrics import MEMORY_LEVEL

log = structlog.get_logger()

LOOK_S = 0.25  # so often Redis is asked at the most, whatever is published
WAIT_S = 1.0


class Pressure:
    """How full Redis is, as this process last saw it."""

    def __init__(self, redis: Redis, high_water: Amount) -> None:
        self._redis = redis
        self._high_water = HighWater(high_water)
        self._looked_at = float("-inf")
        self._watching = False

    @property
    def trouble(self) -> str:
        """Why Redis should not be given more; empty: it may."""
        return self._high_water.trouble

    @property
    def level(self) -> float:
        """Memory over the mark."""
        return self._high_water.level

    async def look(self) -> str:
        """`trouble`, at most LOOK_S old. Raises RedisError."""
        if time.monotonic() - self._looked_at >= LOOK_S:
            self._looked_at = time.monotonic()
            self._high_water.see(await memory_of(self._redis))
            MEMORY_LEVEL.set(self._high_water.level)
        return self.trouble

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look again and again as long as the block lasts; while Redis is away what was seen last holds."""
        self._watching = True
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch())
            try:
                yield
            finally:
                self._watching = False  # ends it too: a cancellation can get lost on the way through redis-py
                watch.cancel()

    async def _watch(self) -> None:
        while self._watching:
            before = self.trouble
            with contextlib.suppress(RedisError):
                await self.look()
            if self.trouble and not before:
                log.warning("ingest.closed", reason=self.trouble)
            elif before and not self.trouble:
                log.info("ingest.open")
            await asyncio.sleep(LOOK_S)


async def send_patiently(
    send: Callable[[], Awaitable[object]], pressure: Pressure, waiting: Callable[[str, bool], None]
) -> None:
    """Send as soon as Redis has room, and again if it was full or away; what is sent twice is found by its event_id.

    waiting: is told before each wait why, and whether Redis is away; it may raise to end this.
    """
    while True:
        away = False
        try:
            if not (why := await pressure.look()):
                await send()
                return
        except OutOfMemoryError as error:
            why = str(error)
        except RedisError as error:
            why, away = str(error), True
        waiting(why, away)
        await asyncio.sleep(WAIT_S)
