"""JSON lines through ingest's decoder into the stream, a sessionizer, and out: what peers are given to do, durable."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, NamedTuple, cast

import psutil
from redis import Redis

from bench.measure import Figure
from bench.running import KEYS, await_condition, cpu_s, one_core, running_service
from bench.workload import Workload
from clickloom.click import Click
from clickloom.connect import open_redis
from clickloom.publish import BATCH_CLICKS, Publisher
from clickloom.times import DAY_US, now_us
from clickloom.wire import FIELD, decode_changelog
from services.api.ingest.events import Terms, sort_events, split_lines
from services.cli.embedded import embedded_valkey

WHOLE, ALONE = "Clickloom, from JSON lines", "Clickloom, its sessionizer and Valkey alone"
WINDOW = "visits"
LATE_BY_WATERMARK = 3  # sessions more, if a watermark comes after every record, and not now and then
AT_ONCE = 16  # record batches in one round trip


class Run(NamedTuple):
    """CPU seconds of each part, and the wall clock's until the last commit."""

    ingest_s: float
    sessionizer_s: float
    valkey_s: float
    wall_s: float

    @property
    def cpu_s(self) -> float:
        return self.ingest_s + self.sessionizer_s + self.valkey_s


def measure(workload: Workload, *, runs: int) -> list[Figure]:
    """Events a second of the CPU time of the whole, and of the sessionizer with Valkey; the answer is checked."""
    found = [_run(workload) for _ in range(runs)]
    unit = "events/s of CPU time; exactly once, a commit every 100 to 250 ms"
    return [
        Figure(f"{workload.name}: {WHOLE}", unit, [workload.clicks / run.cpu_s for run in found]),
        Figure(f"{workload.name}: {ALONE}", unit, [workload.clicks / (run.cpu_s - run.ingest_s) for run in found]),
        Figure("… ingest", "ns of CPU an event", [run.ingest_s / workload.clicks * 1e9 for run in found]),
        Figure("… sessionizer", "ns of CPU an event", [run.sessionizer_s / workload.clicks * 1e9 for run in found]),
        Figure("… Valkey", "ns of CPU an event", [run.valkey_s / workload.clicks * 1e9 for run in found]),
        Figure("… on one core", "events/s of wall time", [workload.clicks / run.wall_s for run in found]),
    ]


def _run(workload: Workload) -> Run:
    lines = workload.lines()
    with ExitStack() as stack:
        stack.enter_context(one_core())
        folder = Path(stack.enter_context(TemporaryDirectory(dir="/tmp")))
        url = stack.enter_context(embedded_valkey(folder))
        redis = stack.enter_context(Redis.from_url(url))
        settings = {"REDIS_URL": url, "PARTITIONS": "1", "WINDOWS": f"{WINDOW} = session(gap=30m)"}
        settings |= {"OUT_OF_ORDERNESS": "10s", "STREAM_RETENTION": "1d"}
        sessionizer = stack.enter_context(running_service("sessionizer", settings))
        await_condition(lambda: bool(redis.exists(KEYS.lease(WINDOW, 0))), "the lease")
        valkey = psutil.Process(redis.info("server")["process_id"])
        before = (time.process_time(), cpu_s(sessionizer), cpu_s(valkey), time.monotonic())
        asyncio.run(_feed(url, lines))
        ingest_s = time.process_time() - before[0]
        await_condition(lambda: _is_read(redis), "the last commit")
        after = (cpu_s(sessionizer), cpu_s(valkey), time.monotonic())
        _check(redis, workload)
        return Run(ingest_s, *(end - begin for begin, end in zip(before[1:], after, strict=True)))


async def _feed(url: str, path: Path) -> None:
    """As fast as one process can; then a click of a day later, for all sessions to close."""
    async with open_redis(url) as redis:
        publisher = Publisher(redis, keys=KEYS, partitions=1)
        last_us = 0
        with path.open("rb") as lines:
            while clicks := [click for _ in range(AT_ONCE) for click in _clicks(lines)]:
                await publisher.publish(clicks, arrival_us=now_us())
                last_us = clicks[-1].time_us
        end = Click(
            user_id="sentinel",
            device_id="mobile",
            client_event="end",
            client_timestamp=last_us + DAY_US,
            event_id="sentinel",
        )
        await publisher.publish([end], arrival_us=now_us())


def _clicks(lines: BinaryIO) -> Iterator[Click]:
    """Of a request's worth of lines."""
    body = b"".join(islice(lines, BATCH_CLICKS))
    yield from sort_events(split_lines(body), Terms(now_us(), 0, 0)).clicks


def _is_read(redis: Redis) -> bool:
    last = redis.xinfo_stream(KEYS.clicks(0))["last-generated-id"]
    return bool(redis.hget(KEYS.progress(WINDOW, 0), "cursor") == last)


def _check(redis: Redis, workload: Workload) -> None:
    sessions, last = 0, "-"
    while entries := cast("list[Any]", redis.xrange(KEYS.sessions(WINDOW, 0), min=last, count=100)):
        changelogs = [decode_changelog(entry[FIELD]) for _, entry in entries]
        sessions += sum(len(found.plus) - len(found.minus) for found in changelogs)
        last = f"({entries[-1][0].decode()}"
    if not workload.sessions <= sessions <= workload.sessions + LATE_BY_WATERMARK:
        raise AssertionError(f"workload {workload.name}: {sessions} sessions, not {workload.sessions}")
