"""Clicks that flow while things happen to sessionizers, and the sessions that must come of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import msgspec
from redis.asyncio import Redis

from clickloom.click import Click
from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.streams import readers_of
from clickloom.times import SECOND_US, now_us
from clickloom.windows.spec import parse_windows
from services.sessionizer.leases import Part
from services.sessionizer.store import Store
from tests.changelog import Sessions, expected_sessions, stored_sessions
from tests.clicks import click
from tests.processes import Process, Start, until

WINDOWS = "visits = session(gap=30m); minutes = stagger(range=1s)"
BUSY = {"WINDOWS": WINDOWS, "COMMIT_INTERVAL": "10ms", "LEASE": "2s"}  # so that many commits are hit
CLICKS = 6_000
SPACING_S = 0.5  # of event time, between two clicks


@dataclass(frozen=True)
class Flow:
    """Clicks that are published, some at a time, and what must come of them."""

    redis: Redis
    keys: Keys
    settings: Settings
    clicks: Sequence[Click]

    @asynccontextmanager
    async def running(self, *, seconds: float) -> AsyncIterator[None]:
        """Publish all of it, over about that time, while the block runs."""
        publishing = asyncio.create_task(self._publish(seconds))
        try:
            yield
        finally:
            await publishing

    async def _publish(self, seconds: float) -> None:
        step = 60
        for start in range(0, len(self.clicks), step):
            await self._publisher.publish(self.clicks[start : start + step], arrival_us=now_us())
            await asyncio.sleep(seconds * step / len(self.clicks))

    @property
    def _publisher(self) -> Publisher:
        return Publisher(self.redis, keys=self.keys, partitions=self.settings.partitions)

    async def all_read(self) -> bool:
        """Whether every window has committed all there is."""
        lags = Counter[str]()
        for number in range(self.settings.partitions):
            for reader in await readers_of(self.redis, self.keys.clicks(number)):
                lags[reader.name] += 1 if reader.lag == 0 else 0
        return all(lags[window] == self.settings.partitions for window in ("visits", "minutes"))

    async def becomes_exact(self) -> None:
        """End the input; wait until all is read and the sessions are the ones of one run, each once."""
        end_us = self.clicks[-1].time_us + 10 * 86_400 * SECOND_US
        await self._publisher.end_input(watermark_us=end_us, arrival_us=now_us())
        await until(self.all_read, what="all clicks to be read")
        for window in parse_windows(WINDOWS):
            expected = expected_sessions(
                self.clicks, window, self.settings.rules(), partitions=self.settings.partitions, end_us=end_us
            )

            async def complete(window: str = window.name, count: int = len(expected)) -> bool:
                return len(await stored_sessions(self.redis, self.keys, window, self.settings.partitions)) >= count

            await until(complete, what=f"the sessions of {window.name}")
            stored = await stored_sessions(self.redis, self.keys, window.name, self.settings.partitions)
            assert _whatever_version(stored) == _whatever_version(expected)

    async def owners(self) -> Counter[str | None]:
        """How many leases each worker holds."""
        store = Store(self.redis, keys=self.keys, lease_us=0)
        parts = [Part(number, window) for number in range(self.settings.partitions) for window in ("visits", "minutes")]
        return Counter((await store.owners(parts)).values())

    def held_by(self, *pids: int) -> Callable[[], Awaitable[bool]]:
        """Whether the processes hold all leases between them, evenly."""

        async def evenly() -> bool:
            owners = await self.owners()
            shares = sorted((int((owner or "-0-").split("-")[-2]), count) for owner, count in owners.items())
            return shares == sorted((pid, 2 * self.settings.partitions // len(pids)) for pid in pids)

        return evenly


def _whatever_version(sessions: Sessions) -> Sessions:
    """The stagger window goes by the arrival clock: whether a row was revised depends on when clicks came."""
    same = {"version": 1, "revised_because": None}
    return Sessions((uid, msgspec.structs.replace(session, **same)) for uid, session in sessions.items())


def clicks_of_a_day(count: int = CLICKS, *, seed: int = 1) -> list[Click]:
    random = Random(seed)
    return [
        click(SPACING_S * number, user=str(random.randrange(count // 10)), event=random.choice(["a", "b", "c"]))
        for number in range(count)
    ]


async def serving(start: Start, flow: Flow, count: int = 1, **more: str) -> list[Process]:
    """So many sessionizers that share the leases evenly."""
    processes = [start("sessionizer", **{**BUSY, **more}) for _ in range(count)]
    await until(flow.held_by(*(process.pid for process in processes)), what=f"{count} to share evenly")
    return processes
