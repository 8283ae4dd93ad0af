"""The live streams of a process, all read at one beat."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.live import ACTIVE_KEPT_US
from services.api.live.beat import Beat
from services.api.live.feed import KEPT_MS, Feed
from services.api.live.present import Present
from services.api.live.reading import Reading
from services.api.live.sources import (
    Batches,
    Changelogs,
    ClicksSource,
    MetricsSource,
    SessionsSource,
    Ticks,
)


class Feeds:
    """Numbers are read always, so that one who comes finds the last minute; clicks and sessions only for somebody."""

    def __init__(self, redis: Redis, *, keys: Keys, partitions: int, windows: Sequence[str]) -> None:
        numbers = range(partitions)
        self._present = Present()
        self._active = {keys.active(number): partitions + number for number in numbers}
        self._redis = redis
        self.beat = Beat(redis)
        metrics = {keys.metrics(number): number for number in numbers}
        new_source = partial(MetricsSource, self._present, windows, partitions)
        self.metrics: Feed[Ticks] = Feed(redis, self.beat, {**metrics, **self._active}, new_source, past=metrics)
        clicks = {keys.clicks(number): number for number in numbers}
        self.clicks: Feed[Batches] = Feed(redis, self.beat, clicks, ClicksSource)
        self.sessions: dict[str, Feed[Changelogs]] = {}
        for window in windows:
            changelogs = {keys.sessions(window, number): number for number in numbers}
            self.sessions[window] = Feed(redis, self.beat, changelogs, SessionsSource)
        self._seeded = False

    @contextlib.asynccontextmanager
    async def running(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """Read as long as the block lasts; every stream ends when `stop` is set."""
        async with self.beat.running(self._read, stop):
            yield

    async def _read(self, end_ms: int) -> None:
        if not self._seeded:
            await self._seed(end_ms)
        await self.metrics.advance(end_ms)
        on_demand: list[Feed[Any]] = [self.clicks, *self.sessions.values()]
        for feed in on_demand:
            feed.rest()
            await feed.advance(end_ms)

    async def _seed(self, end_ms: int) -> None:
        """Who was there in the last half hour, and numbers from a minute ago."""
        begin_ms = max(0, end_ms - ACTIVE_KEPT_US // 1_000)
        found = await Reading(self._redis, self._active, begin_ms).until(end_ms)
        seed = MetricsSource(self._present, (), 0)
        for _ in seed.slices(found, begin_ms, end_ms):
            await asyncio.sleep(0)  # requests go on meanwhile
        self.metrics.begin(max(0, end_ms - KEPT_MS))
        self._seeded = True
