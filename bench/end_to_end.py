"""The whole way on this machine's cores: streams in, both windows cut, clicks and sessions in Postgres."""

import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg
from redis import Redis

import migrations
from bench.measure import Figure
from bench.running import KEYS, all_read, await_condition, cpu_s, postmaster, publish, running_service
from bench.workload import Workload
from services.cli.embedded import embedded_postgres, embedded_valkey

PARTITIONS = 8
WINDOWS = ("visits", "minutes")
CHANGELOGS = [KEYS.sessions(window, number) for number in range(PARTITIONS) for window in WINDOWS]
STREAMS = [*CHANGELOGS, *(KEYS.clicks(number) for number in range(PARTITIONS))]


def measure(workload: Workload, *, runs: int) -> list[Figure]:
    """Clicks a second of wall time until all is in Postgres, and the CPU time a click of each part.

    The streams are full before the services start: the arrival clock is then that of the clicks, so that rows of the
    stagger window are closed, and written, all along. Counted from the first commit.
    """
    batches = workload.partitioned(PARTITIONS)
    found = [run(workload, batches) for _ in range(runs)]
    rates = [workload.clicks / took_s for took_s, _ in found]
    spent = [
        Figure(f"… {part}", "ns of CPU a click", [parts[part] / workload.clicks * 1e9 for _, parts in found])
        for part in found[0][1]
    ]
    return [Figure("streams to Postgres, both windows", f"clicks/s, workload {workload.name}", rates), *spent]


def run(workload: Workload, batches: list[tuple[int, bytes]], *, processes: int = 1) -> tuple[float, dict[str, float]]:
    """Seconds of wall time, and of CPU time by part. processes: of sessionizers, and of persisters."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir="/tmp")))
        redis_url = stack.enter_context(embedded_valkey(folder / "valkey"))
        database_url = stack.enter_context(embedded_postgres(folder / "postgres"))
        migrations.upgrade(database_url)
        redis = stack.enter_context(Redis.from_url(redis_url))
        publish(redis, batches)
        settings = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "PARTITIONS": str(PARTITIONS)}
        parts = {
            "Valkey": [psutil.Process(redis.info("server")["process_id"])],
            "Postgres": [postmaster(folder / "postgres")],
        }
        for name in ("sessionizer", "persister"):
            parts[name] = [stack.enter_context(running_service(name, settings)) for _ in range(processes)]
        await_condition(lambda: any(redis.exists(stream) for stream in CHANGELOGS), "the first commit")
        began, before = time.monotonic(), {part: sum(map(cpu_s, found)) for part, found in parts.items()}
        await_condition(lambda: all_read(redis, STREAMS), "the last click in Postgres", every_s=0.1)
        took_s = time.monotonic() - began
        with psycopg.connect(database_url) as database:
            assert database.execute("SELECT count(*) FROM clicks").fetchone() == (workload.clicks,)
        return took_s, {part: sum(map(cpu_s, found)) - before[part] for part, found in parts.items()}
