"""Which clicks of a bucket are new, which of them can be taken, and what belongs with them into sessions.

An *island* is a run of a visitor's clicks, those of the file and those that Postgres has, in which none is further from
the next than any window reaches. No session goes beyond an island, so an island is taken whole or left whole:

Bots are in no session, unless a setting says so: their clicks are taken as they are, and no island has any.

- One that ends where live traffic can still change sessions is left: the sessionizers do not know of what is imported.
- One that goes on beyond what was read of Postgres is left.
- One is left if Postgres has more or fewer of its clicks in sessions than there are clicks, as where old clicks, but
  not their sessions, have been dropped, or while a live session is open.

The sessions of the others are made anew, of all their clicks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.cli.history.staged import COLUMNS, Database, bucket_files, no_rows, read_clicks, read_parquet, text

_DETAILS = [column for column in COLUMNS if column not in ("file", "row")]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What holds for every bucket; all in µs."""

    reaches: Mapping[str, int]  # window → how far a click of its session can be
    settled_us: int  # what ends before this live traffic cannot change
    from_us: int  # what was read of Postgres
    to_us: int
    bots: bool  # whether their clicks make sessions

    @property
    def apart(self) -> str:
        """Of a click, whether it goes into no session whatever is near it."""
        return "false" if self.bots else "is_bot"

    @property
    def reach_us(self) -> int:
        return max(self.reaches.values())


@dataclass(frozen=True, slots=True)
class Selection:
    """How many clicks of the bucket are what. The tables `feed` and `replaced` hold the rest."""

    known: int  # already in Postgres, or twice in the files
    live: int  # left for live traffic
    beyond: int  # left since their visit goes on beyond what was read
    parted: int  # left since Postgres holds their visit in part


def select(database: Database, folder: Path, bucket: int, bounds: Bounds) -> Selection:
    """Make the tables of a bucket anew: `feed`, the clicks that go into sessions, and `replaced`, the sessions that
    stand where those will. In `feed`, `fresh` clicks are new, others Postgres has; `late` names windows without it."""
    files = bucket_files(folder, "clicks", bucket)
    rows = _number(database, f"SELECT count(*) FROM {read_parquet(files)}")
    _read_incoming(database, files, bounds)
    present = bucket_files(folder, "present", bucket)
    if not present and not _number(database, f"SELECT count(*) FROM incoming WHERE {_unsettled(bounds)}"):
        database.execute("DROP TABLE IF EXISTS feed; ALTER TABLE incoming RENAME TO feed")
        database.execute(f"CREATE OR REPLACE TABLE replaced AS {no_rows(STANDING)}")
        return Selection(rows - _number(database, "SELECT count(*) FROM feed"), 0, 0, 0)
    _read_present(database, present, bucket_files(folder, "standing", bucket))
    database.execute(_FRESH)
    database.execute(_TIMELINE.format(reach=bounds.reach_us, apart=bounds.apart))
    database.execute(_islands(bounds))
    database.execute(_FEED)
    database.execute(_REPLACED)
    fresh = _number(database, "SELECT count(*) FROM fresh")
    left = dict(database.execute("SELECT verdict, sum(fresh)::BIGINT FROM islands GROUP BY verdict").fetchall())
    return Selection(rows - fresh, *(left.get(verdict, 0) for verdict in ("live", "beyond", "parted")))


def _unsettled(bounds: Bounds) -> str:
    return f"time_us >= {bounds.settled_us}"


def _number(database: Database, query: str) -> int:
    return int(database.execute(query).fetchall()[0][0])


# The identity of an event is its id and its visitor. One without an id is known by who, what and when: the n-th such
# event of a file is the n-th of every file. 64 bits, as the windows know seen events.
_READ = """
CREATE OR REPLACE TABLE incoming AS
WITH known AS (
    SELECT *, hash(site_id, user_id, device_id) AS visitor, event_id IS NOT NULL AS named,
        CASE WHEN event_id IS NULL THEN hash(site_id, user_id, device_id, client_event, time_us)
            ELSE hash(site_id, user_id, device_id, event_id) END AS identity,
        true AS fresh, '' AS late, {apart} AS apart
    FROM {files}
)
"""
_NAMED = "SELECT * REPLACE (CASE WHEN named THEN event_id ELSE md5(concat_ws(chr(31), {told})) END AS event_id)"
_TOLD = "site_id, user_id, device_id, client_event, time_us, nth"


def _read_incoming(database: Database, files: Sequence[Path], bounds: Bounds) -> None:
    """Each event of the files once, with an event id; as `feed` has it, if nothing else is known of its visitors."""
    read = _READ.format(files=read_clicks(files), apart=bounds.apart)
    named = _NAMED.format(told=_TOLD)
    unique = "SELECT count(DISTINCT identity) = count(*) FROM incoming"
    database.execute(f"{read} {named} FROM (SELECT *, 1 AS nth FROM known)")
    if database.execute(unique).fetchall()[0][0]:
        return
    numbered = (
        "SELECT *, CASE WHEN named THEN 1 ELSE row_number() OVER (PARTITION BY identity, file ORDER BY row) END AS nth"
        " FROM known"
    )
    first = "QUALIFY row_number() OVER (PARTITION BY identity, nth ORDER BY file, row) = 1"
    database.execute(f"{read} {named} FROM (SELECT * FROM ({numbered}) {first})")


PRESENT = {
    **{column: kind for column, kind in COLUMNS.items() if column not in ("file", "row")},
    "entry_ms": "BIGINT",
    "entry_seq": "BIGINT",
    "entry_row": "INTEGER",
    "late": "VARCHAR",  # names of windows between spaces
}
STANDING = {
    "window": "VARCHAR",
    "site_id": "VARCHAR",
    "user_id": "VARCHAR",
    "device_id": "VARCHAR",
    "uid": "UUID",
    "begin_us": "BIGINT",
    "end_us": "BIGINT",
    "events": "BIGINT",
    "version": "INTEGER",
    "closed_by": "VARCHAR",
}


def _read_present(database: Database, present: list[Path], standing: list[Path]) -> None:
    """What Postgres has of the visitors; of an event that came twice the first, as the windows take it."""
    visitor = "hash(site_id, user_id, device_id) AS visitor"
    rows = read_parquet(present) if present else f"({no_rows(PRESENT)})"
    database.execute(
        f"CREATE OR REPLACE TABLE present AS SELECT *, {visitor} FROM {rows}"
        " WHERE visitor IN (SELECT visitor FROM incoming)"
        " QUALIFY row_number() OVER (PARTITION BY visitor, event_id ORDER BY entry_ms, entry_seq, entry_row) = 1"
    )
    rows = read_parquet(standing) if standing else f"({no_rows(STANDING)})"
    database.execute(f"CREATE OR REPLACE TABLE standing AS SELECT *, {visitor} FROM {rows}")


_FRESH = """
CREATE OR REPLACE TABLE fresh AS
WITH twins AS (
    SELECT visitor, client_event, time_us, count(*) AS twins FROM present
    ANTI JOIN (SELECT visitor, event_id FROM incoming WHERE named) USING (visitor, event_id)
    GROUP BY ALL
)
SELECT incoming.* FROM incoming
LEFT JOIN twins USING (visitor, client_event, time_us)
LEFT JOIN (SELECT visitor, event_id, true AS there FROM present) USING (visitor, event_id)
WHERE CASE WHEN named THEN there IS NULL ELSE nth > coalesce(twins, 0) END
"""

# The second window function takes clicks of one time together, as its frame is by their time: they are in one island.
_TIMELINE = f"""
CREATE OR REPLACE TABLE timeline AS
WITH both_sides AS (
    SELECT visitor, fresh, late, {", ".join(_DETAILS)} FROM fresh WHERE NOT apart
    UNION ALL
    SELECT visitor, false, late, {", ".join(_DETAILS)}
    FROM (FROM present WHERE NOT {{apart}}) SEMI JOIN fresh USING (visitor)
), stepped AS (
    SELECT *, coalesce(time_us - lag(time_us) OVER (PARTITION BY visitor ORDER BY time_us) > {{reach}}, true) AS step
    FROM both_sides
)
SELECT * EXCLUDE (step), sum(step::INTEGER) OVER (PARTITION BY visitor ORDER BY time_us) AS island FROM stepped
"""

_FEED = """
CREATE OR REPLACE TABLE feed AS
SELECT timeline.*, false AS apart
FROM timeline SEMI JOIN (FROM islands WHERE verdict = 'taken') USING (visitor, island)
UNION ALL BY NAME
SELECT * EXCLUDE (file, row, named, identity, nth) FROM fresh WHERE apart
"""

_REPLACED = """
CREATE OR REPLACE TABLE replaced AS
SELECT standing.* EXCLUDE (visitor) FROM standing SEMI JOIN (FROM islands WHERE verdict = 'taken') taken
ON standing.visitor = taken.visitor AND begin_us BETWEEN first_us AND last_us
"""


def _islands(bounds: Bounds) -> str:
    """Those with new clicks, each with its verdict."""
    counts = ", ".join(
        f"count(*) FILTER (NOT fresh AND NOT contains(late, {text(f' {window} ')})) AS clicks_{number}"
        for number, window in enumerate(bounds.reaches)
    )
    sums = ", ".join(
        f"(SELECT coalesce(sum(events), 0) FROM standing WHERE standing.visitor = runs.visitor"
        f' AND "window" = {text(window)} AND end_us >= first_us - {reach} AND begin_us <= last_us + {reach})'
        f" AS events_{number}"
        for number, (window, reach) in enumerate(bounds.reaches.items())
    )
    parted = " OR ".join(f"clicks_{number} <> events_{number}" for number in range(len(bounds.reaches)))
    return f"""
CREATE OR REPLACE TABLE islands AS
WITH runs AS (
    SELECT visitor, island, min(time_us) AS first_us, max(time_us) AS last_us,
        count(*) FILTER (fresh) AS fresh, {counts}
    FROM timeline GROUP BY ALL HAVING bool_or(fresh)
), summed AS (SELECT *, {sums} FROM runs)
SELECT visitor, island, first_us, last_us, fresh,
    CASE WHEN last_us >= {bounds.settled_us} THEN 'live'
        WHEN first_us - {bounds.reach_us} < {bounds.from_us} OR last_us + {bounds.reach_us} > {bounds.to_us}
        THEN 'beyond'
        WHEN {parted} THEN 'parted' ELSE 'taken' END AS verdict
FROM summed
"""
