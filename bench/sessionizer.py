"""A sessionizer process alone, on one core: streams in, changelog out, each commit durable in a Valkey that logs it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psutil
from redis import Redis

from bench.measure import Figure
from bench.running import KEYS, arriving_now, await_condition, cpu_s, one_core, publish, running_service
from bench.workload import Workload
from clickloom.publish import BATCH_CLICKS
from clickloom.times import MINUTE_US
from clickloom.wire import FIELD, decode_batch, decode_metrics
from services.cli.embedded import embedded_valkey

WINDOW = "visits"
OPEN_US = 25 * MINUTE_US  # visits younger than this have not ended by a gap of 30 minutes
COMMITS = 20


def measure(workload: Workload, *, runs: int) -> list[Figure]:
    """Clicks a second of CPU time, of the process alone and with Valkey's; bytes in Valkey a click, an open session."""
    batches = workload.batches()
    unit = f"clicks/s, workload {workload.name}"
    cuts = [cut(batches) for _ in range(runs)]
    return [
        Figure("sessionizer, durable, per CPU-second", unit, [workload.clicks / one.alone_s for one in cuts]),
        Figure("… Valkey's CPU counted in", unit, [workload.clicks / one.both_s for one in cuts]),
        Figure("Valkey's memory, a click in full batches", "bytes", [one.click_bytes for one in cuts]),
        Figure("Valkey's memory, an open session", "bytes", [_bytes_an_open_session(batches) for _ in range(runs)]),
    ]


class Cut(NamedTuple):
    """CPU seconds of the process, and with Valkey's; bytes of a click in its stream."""

    alone_s: float
    both_s: float
    click_bytes: float


def cut(batches: list[bytes]) -> Cut:
    """By a new process, until its last commit."""
    with _running() as (redis, valkey, sessionizer):
        before_s, valkey_before_s = cpu_s(sessionizer), cpu_s(valkey)
        _publish(redis, batches)
        click_bytes = _memory(redis, KEYS.clicks(0)) / _clicks_kept(redis)
        _await_read(redis)
        alone_s = cpu_s(sessionizer) - before_s
        return Cut(alone_s, alone_s + cpu_s(valkey) - valkey_before_s, click_bytes)


def _bytes_an_open_session(batches: list[bytes]) -> float:
    """Of visits that are all open, after a number of commits that each changed some of them."""
    first_us = int(decode_batch(batches[0]).time_column.min())
    young = [batch for batch in batches if int(decode_batch(batch).time_column.max()) - first_us < OPEN_US]
    with _running() as (redis, _, _):
        size = -(-len(young) // COMMITS)
        for start in range(0, len(young), size):
            _publish(redis, young[start : start + size])
            _await_read(redis)
        entries: Any = redis.xrevrange(KEYS.metrics(0), count=1)
        metrics = decode_metrics(entries[0][1][FIELD])
        return _memory(redis, KEYS.state(WINDOW, 0)) / metrics.open_sessions


@contextlib.contextmanager
def _running() -> Iterator[tuple[Redis, psutil.Process, psutil.Process]]:
    """A Valkey, and a sessionizer that waits for clicks."""
    with (
        one_core(),
        TemporaryDirectory() as folder,
        embedded_valkey(Path(folder)) as url,
        Redis.from_url(url) as redis,
    ):
        settings = {"REDIS_URL": url, "PARTITIONS": "1", "WINDOWS": f"{WINDOW} = session(gap=30m)"}
        with running_service("sessionizer", settings) as sessionizer:
            await_condition(lambda: bool(redis.exists(KEYS.lease(WINDOW, 0))), "the lease")
            yield redis, psutil.Process(redis.info("server")["process_id"]), sessionizer


def _publish(redis: Redis, batches: list[bytes]) -> None:
    publish(redis, [(0, arriving_now(batch)) for batch in batches])


def _clicks_kept(redis: Redis) -> int:
    """In the stream, after what was trimmed; all batches but the last are full."""
    return int(redis.xlen(KEYS.clicks(0))) * BATCH_CLICKS


def _await_read(redis: Redis) -> None:
    last = redis.xinfo_stream(KEYS.clicks(0))["last-generated-id"]
    await_condition(lambda: redis.hget(KEYS.progress(WINDOW, 0), "cursor") == last, "the last commit")


def _memory(redis: Redis, key: str) -> int:
    return int(redis.memory_usage(key, samples=0) or 0)
