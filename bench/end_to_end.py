"""The whole way on this machine's cores: streams in, both windows cut, clicks and sessions in Postgres."""

import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from redis import Redis

import migrations
from bench.measure import Figure
from bench.running import KEYS, await_condition, publish, running_service
from bench.workload import Workload
from services.cli.embedded import embedded_postgres, embedded_valkey

PARTITIONS = 8
WINDOWS = ("visits", "minutes")
STREAMS = [
    stream
    for number in range(PARTITIONS)
    for stream in (KEYS.clicks(number), *(KEYS.sessions(window, number) for window in WINDOWS))
]


def measure(workload: Workload, *, runs: int) -> list[Figure]:
    """Clicks a second of wall time, from the first that is published until all are in Postgres."""
    batches = workload.partitioned(PARTITIONS)
    rates = [workload.clicks / _seconds(workload, batches) for _ in range(runs)]
    return [Figure("streams to Postgres, both windows", f"clicks/s, workload {workload.name}", rates)]


def _seconds(workload: Workload, batches: list[tuple[int, bytes]]) -> float:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir="/tmp")))
        redis_url = stack.enter_context(embedded_valkey(folder / "valkey"))
        database_url = stack.enter_context(embedded_postgres(folder / "postgres"))
        migrations.upgrade(database_url)
        redis = stack.enter_context(Redis.from_url(redis_url))
        settings = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "PARTITIONS": str(PARTITIONS)}
        stack.enter_context(running_service("sessionizer", settings))
        stack.enter_context(running_service("persister", settings))
        leases = [KEYS.lease(window, number) for window in WINDOWS for number in range(PARTITIONS)]
        await_condition(lambda: redis.exists(*leases) == len(leases), "the leases")
        began = time.monotonic()
        publish(redis, batches)
        await_condition(lambda: _all_read(redis), "the last click in Postgres", every_s=0.1)
        took_s = time.monotonic() - began
        with psycopg.connect(database_url) as database:
            assert database.execute("SELECT count(*) FROM clicks").fetchone() == (workload.clicks,)
        return took_s


def _all_read(redis: Redis) -> bool:
    """Every reader of every stream is at its end."""
    groups = [group for stream in STREAMS for group in redis.xinfo_groups(stream)]
    return all(group["lag"] == 0 for group in groups)
