"""From the click that closes a session to its row in Postgres, while ten thousand clicks a second come in."""

import asyncio
import contextlib
import os
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import psycopg
from redis import Redis

import migrations
from bench.measure import Figure
from bench.running import KEYS, await_condition, running_service
from bench.workload import Workload
from clickloom.click import Click
from clickloom.connect import open_redis
from clickloom.publish import Publisher
from clickloom.times import SECOND_US, now_us
from services.cli.embedded import embedded_postgres, embedded_valkey

PARTITIONS = 8
RATE = 10_000  # clicks a second
EVERY_S = 0.05
CLOSED_AFTER_US = 3 * SECOND_US  # a gap of 2 s, and 1 s that clicks may be out of order
WINDOWS = "visits = session(gap=2s)"
WARM_S, LASTS_S, GIVE_UP_S = 8.0, 20.0, 60.0
LOOK_S = 0.01


def measure(_: Workload, *, runs: int) -> list[Figure]:
    """With the persister's default buffer, all on this machine's cores."""
    found = [_run() for _ in range(runs)]
    return [
        Figure("closed → row", "ms, median", [median(took) for took in found]),
        Figure("closed → row, 99 % within", "ms", [quantiles(took, n=100)[-1] for took in found]),
    ]


@dataclass
class Probes:
    """Visits of a single click each, one in each portion of clicks."""

    open: deque[tuple[str, int]] = field(default_factory=deque)  # name and time
    closed: dict[str, float] = field(default_factory=dict)  # when what closes it was accepted
    took_ms: list[float] = field(default_factory=list)

    def published(self, name: str, at_us: int) -> None:
        """A portion with clicks of every partition: it closes what is old enough."""
        now = time.monotonic()
        while self.open and self.open[0][1] + CLOSED_AFTER_US < at_us:
            self.closed[self.open.popleft()[0]] = now
        self.open.append((name, at_us))

    def seen(self, name: str) -> None:
        self.took_ms.append((time.monotonic() - self.closed.pop(name)) * 1_000)


def _run() -> list[float]:
    """Latencies (ms)."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir="/tmp")))
        redis_url = stack.enter_context(embedded_valkey(folder / "valkey"))
        database_url = stack.enter_context(embedded_postgres(folder / "postgres"))
        migrations.upgrade(database_url)
        settings = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "PARTITIONS": str(PARTITIONS)}
        settings |= {"WINDOWS": WINDOWS, "OUT_OF_ORDERNESS": "1s"}
        for name in ("sessionizer", "persister"):
            stack.enter_context(running_service(name, settings))
        with Redis.from_url(redis_url) as redis:
            leases = [KEYS.lease("visits", number) for number in range(PARTITIONS)]
            await_condition(lambda: redis.exists(*leases) == PARTITIONS, "the leases")
        return asyncio.run(_load(redis_url, database_url))


async def _load(redis_url: str, database_url: str) -> list[float]:
    probes = Probes()
    publishing = asyncio.create_task(_publish(redis_url, probes))
    looking = asyncio.create_task(_look(database_url, probes))
    await asyncio.sleep(WARM_S)
    probes.took_ms.clear()
    await asyncio.sleep(LASTS_S)
    publishing.cancel()
    async with asyncio.timeout(GIVE_UP_S):
        while probes.closed and not looking.done():  # noqa: ASYNC110  # rows come from another process
            await asyncio.sleep(EVERY_S)
    for task in (publishing, looking):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return probes.took_ms


async def _publish(redis_url: str, probes: Probes) -> None:
    async with open_redis(redis_url) as redis:
        publisher = Publisher(redis, keys=KEYS, partitions=PARTITIONS)
        due, number = time.monotonic(), 0
        while True:
            name, at_us = f"probe-{number}", now_us()
            users = [f"u{(number * 31 + row) % 50_000}" for row in range(int(RATE * EVERY_S) - 1)]
            clicks = [_click(user, at_us) for user in (*users, name)]
            await publisher.publish(clicks, arrival_us=at_us)
            probes.published(name, at_us)
            number, due = number + 1, due + EVERY_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def _look(database_url: str, probes: Probes) -> None:
    query = "SELECT user_id FROM sessions WHERE user_id = ANY(%s)"
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as database:
        while True:
            if probes.closed:
                rows = await (await database.execute(query, [list(probes.closed)])).fetchall()
                for (name,) in rows:
                    probes.seen(name)
            await asyncio.sleep(LOOK_S)


def _click(user: str, at_us: int) -> Click:
    return Click(
        user_id=user, device_id="mobile", client_event="page", client_timestamp=at_us, event_id=os.urandom(8).hex()
    )
