"""One bucket of staged clicks into Postgres, in one transaction."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql

from clickloom.tables import clicks as clicks_table
from clickloom.windows.rules import Rules
from clickloom.windows.spec import Window
from clickloom.windows.watermark import NEVER_US
from clickloom.wire import Changelog
from services.cli.history.cutting import cut
from services.cli.history.feed import clicks_of, counts_of, standing_of, write_csv
from services.cli.history.ledger import IMPORTED, STREAM, Counts, Entry, count_clicks
from services.cli.history.locks import writing
from services.cli.history.revision import Revision, revise
from services.cli.history.selection import Bounds, select
from services.cli.history.staged import open_duckdb
from services.persister.partitions import Connection
from services.persister.rows import Rows, add_changes
from services.persister.writer import write

BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Job:
    """What holds for every bucket of one run."""

    folder: Path
    database_url: str
    owner: int  # the backend that holds the run's lock
    entered_ms: int
    windows: Sequence[Window]
    rules: Rules
    bounds: Bounds
    memory: str
    rollbacks: int  # of live changelogs, the most: what is written holds over all that they have said


@dataclass(slots=True)
class Loaded:
    """What became of the clicks of a bucket, or of many."""

    new: int = 0
    known: int = 0  # in Postgres already, or twice in the files
    live: int = 0  # left, see selection.py
    beyond: int = 0
    parted: int = 0
    made: Counter[str] = field(default_factory=Counter)  # by window: sessions where none was
    changed: Counter[str] = field(default_factory=Counter)
    revoked: Counter[str] = field(default_factory=Counter)

    @property
    def left(self) -> int:
        return self.live + self.beyond + self.parted

    def add(self, other: "Loaded") -> None:
        for name in ("new", "known", "live", "beyond", "parted"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("made", "changed", "revoked"):
            getattr(self, name).update(getattr(other, name))


class Loader:
    """Loads buckets, one after the other."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._database = open_duckdb(job.folder, threads=1, memory=job.memory)

    def load(self, bucket: int) -> Loaded:
        """The steps of one bucket:

        1. See which clicks are new, and make the sessions of these and all that belong with them.
        2. Lock the run, and see that it still is the one that holds: what outlives its run writes nothing.
        3. Write clicks, − and + rows.
        4. Count them in the ledger, last, since all buckets count in the same rows; commit.

        A crash before 4 ends leaves the bucket as it was, and the next run takes it; after it the next run knows its
        clicks. Raises psycopg.OperationalError, and ServerUnavailable if the run has ended.
        """
        job, database = self._job, self._database
        chosen = select(database, job.folder, bucket, job.bounds)
        counts = counts_of(database)
        loaded = Loaded(
            sum(found.clicks for found in counts.values()), chosen.known, chosen.live, chosen.beyond, chosen.parted
        )
        if loaded.new:
            revisions = self._revisions(loaded)
            entry, file = Entry(job.entered_ms, bucket), job.folder / f"clicks-{bucket}.csv"
            write_csv(database, file, {"partition": IMPORTED, "entry_ms": job.entered_ms}, entry.first_seq)
            asyncio.run(self._write(entry, file, counts, revisions))
            file.unlink()
        return loaded

    def _revisions(self, loaded: Loaded) -> dict[str, Revision]:
        job = self._job
        clicks = clicks_of(self._database, [window.name for window in job.windows])
        revisions = {}
        for window in job.windows:
            made = cut(clicks[window.name], window, job.rules)
            found = revisions[window.name] = revise(made, standing_of(self._database, window.name))
            loaded.made[window.name] += len(found.plus) - found.changed
            loaded.changed[window.name] += found.changed
            loaded.revoked[window.name] += len(found.minus)
        return revisions

    async def _write(
        self, entry: Entry, file: Path, counts: Mapping[str, Counts], revisions: Mapping[str, Revision]
    ) -> None:
        async with writing(self._job.database_url, self._job.owner) as connection:
            await _copy_clicks(connection, file)
            for window, revision in sorted(revisions.items()):
                await _write_sessions(connection, window, revision, entry, self._job.rollbacks)
            await count_clicks(connection, entry, counts, revisions)


async def _copy_clicks(connection: Connection, file: Path) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, clicks_table.columns.keys()))
    statement = sql.SQL("COPY clicks ({}) FROM STDIN (FORMAT csv)").format(names)
    await connection.execute("SET LOCAL TimeZone = 'UTC'")
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        with file.open("rb") as rows:
            while block := rows.read(BLOCK):
                await copy.write(block)


async def _write_sessions(
    connection: Connection, window: str, revision: Revision, entry: Entry, rollbacks: int
) -> None:
    """As if a changelog had told of them. All at once: so whoever moves rollups locks them in one order."""
    rows = Rows(f"{STREAM} {window}", rollbacks=rollbacks)
    changelog = Changelog(watermark_us=NEVER_US, minus=revision.minus, plus=revision.plus, late=[])
    add_changes(window, rows, (entry.entered_ms, 0), changelog)
    await write(connection, rows)
