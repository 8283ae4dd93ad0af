"""Live numbers: from a click that was accepted to the event that counts it, and what a thousand subscribers cost."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import psutil
from redis import Redis

import migrations
from bench.crowd import REQUEST, crowd
from bench.ingest import answers, free_port
from bench.measure import Figure
from bench.running import KEYS, await_condition, cpu_s, running_service
from bench.workload import Workload
from clickloom.click import Click
from clickloom.connect import open_redis
from clickloom.publish import Publisher
from clickloom.times import now_us
from services.cli.embedded import embedded_postgres, embedded_valkey

PARTITIONS = 8
RATE = 10_000  # clicks a second
EVERY_S = 0.05
WARM_S, LASTS_S = 4.0, 15.0
SUBSCRIBERS = 1_000
PROBE = "probe-"
GIVE_UP_S = 120.0  # until all subscribers are served; until what was accepted last is told


@dataclass
class Seen:
    """When each probe was accepted, and told."""

    accepted: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    events: int = 0

    def latencies_ms(self) -> list[float]:
        return [(self.told[name] - at) * 1_000 for name, at in self.accepted.items()]


def measure(_: Workload, *, runs: int) -> list[Figure]:
    """At 10,000 clicks/s, with one subscriber and with a thousand, all on this machine's cores."""
    figures = []
    for subscribers in (1, SUBSCRIBERS):
        found = [_run(subscribers) for _ in range(runs)]
        to = f"{subscribers:,} subscriber{'s' * (subscribers > 1)}"
        figures.append(Figure(f"click → SSE event, {to}", "ms, median", [median(took) for took, _ in found]))
        figures.append(Figure(f"… 99 % within, {to}", "ms", [quantiles(took, n=100)[-1] for took, _ in found]))
        for part in ("api", "sessionizer"):
            figures.append(Figure(f"… {part}", "% of a core", [spent[part] * 100 for _, spent in found]))
    return figures


def _run(subscribers: int) -> tuple[list[float], dict[str, float]]:
    """Latencies (ms), and of each service the share of a core that it took."""
    with live_services() as (redis_url, port, services), crowd(port, subscribers - 1) as counts:
        return asyncio.run(_load(redis_url, port, counts, services))


@contextlib.contextmanager
def live_services() -> Iterator[tuple[str, int, dict[str, psutil.Process]]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir="/tmp")))
        redis_url = stack.enter_context(embedded_valkey(folder / "valkey"))
        database_url = stack.enter_context(embedded_postgres(folder / "postgres"))
        migrations.upgrade(database_url)
        port = free_port()
        settings = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "AUTH": "off", "PORT": str(port)}
        settings["PARTITIONS"] = str(PARTITIONS)
        services = {name: stack.enter_context(running_service(name, settings)) for name in ("sessionizer", "api")}
        await_condition(lambda: answers(port), "the API")
        with Redis.from_url(redis_url) as redis:
            leases = [KEYS.lease("visits", number) for number in range(PARTITIONS)]
            await_condition(lambda: redis.exists(*leases) == PARTITIONS, "the leases")
        yield redis_url, port, services


async def _load(
    redis_url: str, port: int, counts: Sequence[int], services: dict[str, psutil.Process]
) -> tuple[list[float], dict[str, float]]:
    """One subscriber looks for probes; what the others are given is counted."""
    seen = Seen()
    following = asyncio.create_task(_follow(port, seen))
    async with asyncio.timeout(GIVE_UP_S):
        while not all([seen.events, *counts]):  # noqa: ASYNC110  # another process counts them
            await asyncio.sleep(EVERY_S)
    publishing = asyncio.create_task(publish_clicks(redis_url, seen))
    await asyncio.sleep(WARM_S)
    seen.accepted.clear()
    before, begun, counted = {name: cpu_s(one) for name, one in services.items()}, time.monotonic(), list(counts)
    await asyncio.sleep(LASTS_S)
    took_s = time.monotonic() - begun
    spent = {name: (cpu_s(one) - before[name]) / took_s for name, one in services.items()}
    received = [after - first for after, first in zip(counts, counted, strict=True)]
    publishing.cancel()
    deadline = time.monotonic() + GIVE_UP_S
    while untold := seen.accepted.keys() - seen.told.keys():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(untold)} of {len(seen.accepted)} clicks were never told")
        await asyncio.sleep(EVERY_S)
    following.cancel()
    await asyncio.gather(publishing, following, return_exceptions=True)
    if received and min(received) < LASTS_S:
        raise AssertionError(f"subscribers were given {min(received)} to {max(received)} events")
    return seen.latencies_ms(), spent


async def publish_clicks(redis_url: str, seen: Seen) -> None:
    async with open_redis(redis_url) as redis:
        publisher = Publisher(redis, keys=KEYS, partitions=PARTITIONS)
        due, number = time.monotonic(), 0
        while True:
            name = f"{PROBE}{number}"
            clicks = [_click(f"u{(number * 31 + row) % 50_000}", "page") for row in range(int(RATE * EVERY_S) - 1)]
            await publisher.publish([*clicks, _click(name, name)], arrival_us=now_us())
            seen.accepted[name] = time.monotonic()
            number, due = number + 1, due + EVERY_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))


def _click(user: str, event: str) -> Click:
    return Click(
        user_id=user, device_id="mobile", client_event=event, client_timestamp=now_us(), event_id=os.urandom(8).hex()
    )


async def _follow(port: int, seen: Seen) -> None:
    async for line in _lines(port):
        if line.startswith(b"data: "):
            seen.events += 1
            _note(line, seen)


def _note(line: bytes, seen: Seen) -> None:
    now = time.monotonic()
    for part in line.split(b'"')[1::2]:
        if part.startswith(PROBE.encode()):
            seen.told.setdefault(part.decode(), now)


async def _lines(port: int) -> AsyncIterator[bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    writer.write(REQUEST)
    try:
        while line := await reader.readline():
            yield line
    finally:
        writer.close()
