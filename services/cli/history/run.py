"""One import from beginning to end.

1. Take the lock: one import at a time.
2. Read the files into buckets of visitors, on disk. What is no click goes to `rejected_events`.
3. Read what Postgres has of the files' time, at one moment, into the same buckets.
4. Load the buckets, by processes side by side, some in each transaction.

A crash leaves some buckets loaded and the others not; another run finds those it knows, and loads the rest.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import psycopg
from psycopg.errors import UndefinedColumn, UndefinedTable

from clickloom.database import libpq_url
from clickloom.errors import ServerUnavailable
from clickloom.settings import Settings
from clickloom.times import now_us, to_datetime
from clickloom.wire import RejectedEvent, encode
from services.cli.history.folder import temporary_folder
from services.cli.history.formats import FileFormat
from services.cli.history.intake import Intake
from services.cli.history.ledger import count_rejected
from services.cli.history.loading import Job, Loaded
from services.cli.history.locks import begin_run, writing
from services.cli.history.mapping import Mapping
from services.cli.history.parallel import loading
from services.cli.history.present import Present, read_present
from services.cli.history.staged import Staging, bucket_numbers, open_duckdb
from services.persister.partitions import Partition, make_partitions, partition_of
from services.persister.rows import Rows, add_rejected
from services.persister.writer import write

CLICKS_A_BUCKET = 100_000
MOST_BUCKETS = 1_000
PARTITIONS_AT_ONCE = 50  # that are made in one transaction
BYTES_A_CLICK = {FileFormat.combined: 200, FileFormat.jsonl: 150, FileFormat.csv: 80, FileFormat.parquet: 15}
PACKED = 8  # times smaller a .gz file may be
MEMORY = "1GB"  # of the engine that reads the files; what is more goes to disk
MEMORY_LOADING = "512MB"  # of each that loads

Progress = Callable[[str, int, int], None]  # the step; how much of it is done, of how much


@dataclass(slots=True)
class Report:
    accepted: int = 0
    rejected: int = 0
    shown: list[RejectedEvent] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    loaded: Loaded = field(default_factory=Loaded)
    present: Present | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    files: Sequence[tuple[str, Path]]  # what each is called, and where it is
    form: FileFormat
    mapping: Mapping
    processes: int
    folder: Path  # where there is room for temporary files


def run(request: Request, settings: Settings, progress: Progress) -> Report:
    """Raises InvalidInput, ServerUnavailable, OSError. Interrupted, it ends when the buckets in work are loaded."""
    url = _url(settings)
    began = time.monotonic()
    try:
        with psycopg.connect(url, autocommit=True) as found:
            connection = cast("psycopg.Connection[tuple[object, ...]]", found)
            owner = begin_run(connection)
            with temporary_folder(request.folder) as folder:
                report = _Run(request, settings, connection, owner, folder, progress).all()
    except (UndefinedTable, UndefinedColumn) as error:
        reason = f"the database's schema is not this version's ({error.diag.message_primary})"
        raise ServerUnavailable(f"{reason}: run `clickloom migrate`") from error
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise ServerUnavailable(f"the PostgreSQL of DATABASE_URL does not answer: {reason}") from error
    report.seconds = time.monotonic() - began
    return report


def _url(settings: Settings) -> str:
    return libpq_url(settings.database_url, application_name="clickloom-import")


class _Run:
    def __init__(
        self,
        request: Request,
        settings: Settings,
        connection: "psycopg.Connection[tuple[object, ...]]",
        owner: int,
        folder: Path,
        progress: Progress,
    ) -> None:
        self._request = request
        self._settings = settings
        self._connection = connection
        self._owner = owner
        self._folder = folder
        self._progress = progress
        self._now_us = now_us()
        self._url = _url(settings)
        self._report = Report()

    def all(self) -> Report:
        database = open_duckdb(self._folder, threads=self._request.processes, memory=MEMORY)
        staging = Staging(database, self._folder, self._buckets())
        self._take_in(staging)
        buckets = bucket_numbers(self._folder)
        if buckets:
            self._progress("comparing", 0, 0)
            span = self._span(staging)
            self._report.present = read_present(self._connection, staging, self._settings, span=span, now=self._now_us)
            asyncio.run(self._make_partitions(staging))
        database.close()
        if self._report.present:
            self._load(buckets, self._report.present)
        return self._report

    def _buckets(self) -> int:
        """So many that one fits into memory."""
        form = self._request.form
        sizes = (path.stat().st_size * (PACKED if path.suffix == ".gz" else 1) for _, path in self._request.files)
        wanted = sum(sizes) // BYTES_A_CLICK[form] // CLICKS_A_BUCKET
        return min(MOST_BUCKETS, max(2 * self._request.processes, wanted))

    def _take_in(self, staging: Staging) -> None:
        intake = Intake(
            staging=staging,
            mapping=self._request.mapping,
            received_us=self._now_us,
            future_bound_us=self._settings.future_bound_us,
            refuse=self._refuse,
        )
        done, total = 0, sum(path.stat().st_size for _, path in self._request.files)

        def tell(size: int) -> None:
            nonlocal done
            done += size
            self._progress("reading", done, total)

        for number, (file, path) in enumerate(self._request.files):
            intake.take(number, file, path, self._request.form, tell)
        self._report.accepted, self._report.rejected = intake.clicks, intake.rejected
        self._report.unused = sorted(intake.unused)

    def _refuse(self, file: str, events: list[tuple[int, RejectedEvent]]) -> None:
        self._report.shown += [event for _, event in events][: 20 - len(self._report.shown)]
        asyncio.run(self._write_rejected(file, events))

    async def _write_rejected(self, file: str, events: list[tuple[int, RejectedEvent]]) -> None:
        """Those that are not there from an earlier run: known by file, row and content."""
        stream, entered_ms = f"import {file}", self._now_us // 1_000
        async with writing(self._url, self._owner) as connection:
            query = "SELECT entry_seq, md5(payload) FROM rejected_events WHERE stream = %s AND entry_seq = ANY(%s)"
            found = await connection.execute(query, [stream, [row for row, _ in events]])
            known = set(await found.fetchall())
            rows = Rows(stream)
            for row, event in events:
                if (row, hashlib.md5(event.payload, usedforsecurity=False).hexdigest()) not in known:
                    add_rejected(rows, (entered_ms, row), encode(event))
            await write(connection, rows)
            await count_rejected(connection, rows, entered_ms)

    def _span(self, staging: Staging) -> tuple[int, int]:
        """Least and greatest time of the clicks, µs."""
        query = f"SELECT min(time_us), max(time_us) FROM {self._staged()}"
        return cast("tuple[int, int]", staging.database.execute(query).fetchall()[0])

    def _staged(self) -> str:
        return f"read_parquet('{self._folder}/clicks/*/*.parquet', hive_partitioning = false)"

    async def _make_partitions(self, staging: Staging) -> None:
        """Before any bucket is loaded: to make one locks the whole table, and nobody may wait so long for that."""
        query = f"SELECT DISTINCT time_us // 86400000000 FROM {self._staged()}"
        days = {to_datetime(day * 86_400_000_000).date() for (day,) in staging.database.execute(query).fetchall()}
        wanted = dict.fromkeys(partition_of(table, day) for day in sorted(days) for table in ("clicks", "sessions"))
        for some in _portions(list(wanted), PARTITIONS_AT_ONCE):
            async with writing(self._url, self._owner) as connection:
                await make_partitions(connection, some)

    def _load(self, buckets: Sequence[int], present: Present) -> None:
        job = Job(
            folder=self._folder,
            database_url=self._url,
            owner=self._owner,
            entered_ms=self._now_us // 1_000,
            windows=self._settings.parsed_windows(),
            rules=self._settings.rules(),
            bounds=present.bounds,
            memory=MEMORY_LOADING,
            rollbacks=present.rollbacks,
        )
        self._progress("loading", 0, len(buckets))
        with loading(job, buckets, self._request.processes) as results:
            for loaded in results:
                self._report.loaded.add(loaded)
                self._progress("loading", self._report.loaded.buckets, len(buckets))


def _portions(partitions: Sequence[Partition], size: int) -> Iterator[Sequence[Partition]]:
    return (partitions[first : first + size] for first in range(0, len(partitions), size))
