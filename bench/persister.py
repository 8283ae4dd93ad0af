"""A persister process alone: full streams into a PostgreSQL with every commit on disk, ledger and indexes included."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil
import psycopg
from msgspec import structs
from redis import Redis

import migrations
from bench.measure import Figure
from bench.running import KEYS, all_read, await_condition, cpu_s, publish, running_service
from bench.workload import Workload
from clickloom.layout import PERSISTER
from clickloom.settings import Settings
from clickloom.windows.partition import Partition
from clickloom.windows.spec import Window
from clickloom.wire import FIELD, Changelog, decode_batch, encode
from services.cli.embedded import embedded_postgres, embedded_valkey

PARTITIONS = 8
WINDOWS = Settings().parsed_windows()
COMMIT_BATCHES = 16  # in a partition; a busy sessionizer makes a commit of about so many

Entries = list[tuple[str, bytes]]  # (stream, value)


class Run(NamedTuple):
    wall_s: float
    persister_s: float  # of CPU
    postgres_s: float

    @property
    def cpu_s(self) -> float:
        return self.persister_s + self.postgres_s


def measure(workload: Workload, *, runs: int) -> list[Figure]:
    """Rows a second of wall time and of CPU time, of clicks and of the sessions of both windows."""
    batches = workload.partitioned(PARTITIONS)
    clicks = [_run([], batches, ("clicks", workload.clicks)) for _ in range(runs)]
    changes = _changelogs(batches)
    rows = sum(count for _, _, count in changes)
    entries = [(stream, value) for stream, value, _ in changes]
    sessions = [_run(entries, [], ("sessions", rows)) for _ in range(runs)]
    return [*_figures("clicks", workload.clicks, clicks), *_figures("sessions", rows, sessions)]


def _figures(table: str, rows: int, runs: Sequence[Run]) -> Iterator[Figure]:
    yield Figure(f"persister, {table}, wall time", "rows/s", [rows / run.wall_s for run in runs])
    yield Figure("… per CPU-second, with Postgres'", "rows/s", [rows / run.cpu_s for run in runs])
    yield Figure("… the persister's CPU, a row", "ns", [1e9 * run.persister_s / rows for run in runs])
    yield Figure("… Postgres' CPU, a row", "ns", [1e9 * run.postgres_s / rows for run in runs])


def _changelogs(batches: Sequence[tuple[int, bytes]]) -> list[tuple[str, bytes, int]]:
    """(stream, entry, rows that it leaves more) of what sessionizers would append, all windows, ended."""
    found = []
    for number in range(PARTITIONS):
        mine = [batch for at, batch in batches if at == number]
        for window in WINDOWS:
            for changelog in _commits(window, mine):
                left = len(changelog.plus) - len(changelog.minus)
                found.append((KEYS.sessions(window.name, number), encode(changelog), left))
    return found


def _commits(window: Window, batches: Sequence[bytes]) -> Iterator[Changelog]:
    partition = Partition(window, Settings().rules())
    for first in range(0, len(batches), COMMIT_BATCHES):
        partition.apply(*map(decode_batch, batches[first : first + COMMIT_BATCHES]))
        yield partition.take_changes(0).changelog
    last_us = partition.watermark.us
    partition.finish()
    yield structs.replace(partition.take_changes(0).changelog, watermark_us=last_us)


def _run(entries: Entries, batches: Sequence[tuple[int, bytes]], expected: tuple[str, int]) -> Run:
    with _stores() as (redis, postgres, settings), running_service("persister", settings) as persister:
        await_condition(lambda: _is_ready(redis, settings["DATABASE_URL"]), "the persister")
        persister.suspend()  # between two looks at the streams: all of the work is timed, and no start
        _append(redis, entries)
        publish(redis, batches)
        before = (time.monotonic(), cpu_s(persister), cpu_s(postgres))
        persister.resume()
        await_condition(lambda: all_read(redis, _streams(), PERSISTER), "the last row", every_s=0.1)
        after = (time.monotonic(), cpu_s(persister), cpu_s(postgres))
        _check(settings["DATABASE_URL"], *expected)
        return Run(*(end - begin for begin, end in zip(before, after, strict=True)))


@contextmanager
def _stores() -> Iterator[tuple[Redis, psutil.Process, dict[str, str]]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir="/tmp")))
        redis_url = stack.enter_context(embedded_valkey(folder / "valkey"))
        database_url = stack.enter_context(embedded_postgres(folder / "postgres"))
        migrations.upgrade(database_url)
        redis = stack.enter_context(Redis.from_url(redis_url))
        with psycopg.connect(database_url) as database:
            postgres = psutil.Process(database.info.backend_pid).parent()
        assert postgres is not None
        yield redis, postgres, {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "PARTITIONS": str(PARTITIONS)}


def _is_ready(redis: Redis, database_url: str) -> bool:
    """Registered, and idle: it asks Postgres nothing while there is nothing in the streams."""
    if not all(redis.exists(stream) for stream in _streams()):
        return False
    with psycopg.connect(database_url) as database:
        states = database.execute("SELECT state FROM pg_stat_activity WHERE application_name = 'clickloom-persister'")
        return {state for (state,) in states} == {"idle"}


def _streams() -> list[str]:
    numbers = range(PARTITIONS)
    sessions = [KEYS.sessions(window.name, number) for window in WINDOWS for number in numbers]
    return [*map(KEYS.clicks, numbers), *sessions]


def _append(redis: Redis, entries: Entries) -> None:
    for stream, value in entries:
        redis.xadd(stream, {FIELD: value})


def _check(database_url: str, table: str, rows: int) -> None:
    with psycopg.connect(database_url) as database:
        found = database.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    if found != (rows,):
        raise AssertionError(f"{table} holds {found} rows, not {rows}")
