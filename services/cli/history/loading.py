"""Buckets of staged clicks into Postgres, some in one transaction."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clickloom.tables import clicks as clicks_table
from clickloom.windows.rules import Rules
from clickloom.windows.spec import Window
from clickloom.windows.watermark import NEVER_US
from clickloom.wire import Changelog
from services.cli.history.cutting import cut
from services.cli.history.feed import Feed, counts_of, read_feed, rows_of, standing_of
from services.cli.history.ledger import STREAM, Counts, Entry, count_clicks
from services.cli.history.locks import writing
from services.cli.history.revision import Revision, revise
from services.cli.history.selection import Bounds, select
from services.cli.history.staged import Database, open_duckdb
from services.persister.copying import copy_parts
from services.persister.partitions import Connection
from services.persister.rollups import Moves
from services.persister.rows import Rows, add_changes
from services.persister.writer import move_sums, write_rows

Stopped = Callable[[], bool]


def _never() -> bool:
    return False


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

    buckets: int = 0
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
        for name in ("buckets", "new", "known", "live", "beyond", "parted"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("made", "changed", "revoked"):
            getattr(self, name).update(getattr(other, name))


@dataclass(slots=True)
class Pending:
    """What the buckets of one transaction have in common, and so is written last."""

    moves: dict[str, Moves]  # by window, of the rollups
    counts: Counter[str] = field(default_factory=Counter)  # new clicks, by site
    bots: Counter[str] = field(default_factory=Counter)  # of them

    def count(self, database: Database) -> int:
        """How many new clicks the bucket in `feed` has."""
        found = counts_of(database)
        self.counts.update({site_id: of_site.clicks for site_id, of_site in found.items()})
        self.bots.update({site_id: of_site.bots for site_id, of_site in found.items()})
        return sum(of_site.clicks for of_site in found.values())


class Loader:
    """Loads buckets, some in a transaction."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._database = open_duckdb(job.folder, threads=1, memory=job.memory)

    def load(self, buckets: Sequence[int], stopped: Stopped = _never) -> Loaded:
        """The steps of one transaction:

        1. Lock the run, and see that it still is the one that holds: what outlives its run writes nothing.
        2. Of each bucket, see which clicks are new, and make the sessions of these and all that belong with them; write
           clicks, − and + rows. Once told to stop, no other bucket is begun.
        3. Move the rollups and count in the ledger, last, since all buckets share these rows; commit.

        A crash before 3 ends leaves the buckets as they were, and the next run takes them; after it the next run knows
        their clicks. Raises psycopg.OperationalError, and ServerUnavailable if the run has ended.
        """
        return asyncio.run(self._load(buckets, stopped))

    async def _load(self, buckets: Sequence[int], stopped: Stopped) -> Loaded:
        job, loaded = self._job, Loaded()
        pending = Pending({window.name: Moves() for window in job.windows})
        async with writing(job.database_url, job.owner) as connection:
            for bucket in buckets:
                if not stopped():
                    loaded.add(await self._load_one(connection, bucket, pending))
            if loaded.new:
                await self._write_pending(connection, pending)
        return loaded

    async def _load_one(self, connection: Connection, bucket: int, pending: Pending) -> Loaded:
        job, database = self._job, self._database
        chosen = select(database, job.folder, bucket, job.bounds)
        loaded = Loaded(1, pending.count(database), chosen.known, chosen.live, chosen.beyond, chosen.parted)
        if loaded.new:
            feed, entry = read_feed(database), Entry(job.entered_ms, bucket)
            rows = rows_of(feed, entered_ms=entry.entered_ms, first_seq=entry.first_seq)
            await copy_parts(connection, clicks_table.name, clicks_table, rows)
            for window, revision in sorted(self._revisions(feed, loaded).items()):
                await _write_sessions(connection, window, revision, entry, job.rollbacks, pending.moves[window])
        return loaded

    def _revisions(self, feed: Feed, loaded: Loaded) -> dict[str, Revision]:
        job = self._job
        clicks = feed.of_windows([window.name for window in job.windows])
        revisions = {}
        for window in job.windows:
            made = cut(clicks[window.name], window, job.rules)
            found = revisions[window.name] = revise(made, standing_of(self._database, window.name))
            loaded.made[window.name] += len(found.plus) - found.changed
            loaded.changed[window.name] += found.changed
            loaded.revoked[window.name] += len(found.minus)
        return revisions

    async def _write_pending(self, connection: Connection, pending: Pending) -> None:
        """Each window's sums at once: so whoever moves them locks them in one order."""
        for window, moves in sorted(pending.moves.items()):
            await move_sums(connection, window, moves)
        counts = {site_id: Counts(clicks, pending.bots[site_id]) for site_id, clicks in pending.counts.items()}
        await count_clicks(connection, self._job.entered_ms, counts, pending.moves)


async def _write_sessions(
    connection: Connection, window: str, revision: Revision, entry: Entry, rollbacks: int, moves: Moves
) -> None:
    """As if a changelog had told of them: the sessions of a day side by side, for questions that read days."""
    rows = Rows(f"{STREAM} {window}", rollbacks=rollbacks)
    plus = sorted(revision.plus, key=lambda session: session.begin_us)
    changelog = Changelog(watermark_us=NEVER_US, minus=revision.minus, plus=plus, late=[])
    add_changes(window, rows, (entry.entered_ms, 0), changelog)
    await write_rows(connection, rows, moves)
