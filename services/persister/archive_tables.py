"""What waits in Postgres for the archive: clicks by their position in the streams, sessions by their changes."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from psycopg import sql

from clickloom.lake.columns import CLICKS, SESSIONS, Format, Kind, LakeColumn, copy_rows
from clickloom.lake.hours import Connection, Lines, copied
from clickloom.streams import split_id
from clickloom.wire import EntryId
from services.persister.archive_plans import Span, fitting, spans_of

Ranges = list[list[int]]  # as a plan keeps them

# A change is a row of `sessions` as a commit put it down or took it away; the newest of a session holds.
CHANGE_COLUMNS = [*SESSIONS.columns, LakeColumn("change", Kind.bigint), LakeColumn("revoked", Kind.boolean)]


class Archived(Protocol):
    """One table on its way into the archive. Ranges that are once chosen hold the same rows for ever."""

    @property
    def name(self) -> str: ...

    @property
    def columns(self) -> Sequence[LakeColumn]: ...

    def waiting(self, connection: Connection, limit: int) -> tuple[Ranges, int]:
        """What to write next, of about `limit` rows at most, and how many wait (more than `limit` if there are)."""
        ...

    def rows(self, connection: Connection, ranges: Ranges) -> Lines:
        """As lines of Parquet's format, each behind its hour, ordered by that."""
        ...

    def settle(self, connection: Connection, ranges: Ranges) -> None:
        """They are written: in the caller's transaction."""
        ...


_SPANS = sql.SQL(
    "clicks JOIN unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])"
    ' AS span (number, begin_ms, begin_seq, end_ms, end_seq) ON "partition" = number'
    " AND (entry_ms, entry_seq) > (begin_ms, begin_seq) AND (entry_ms, entry_seq) <= (end_ms, end_seq)"
    " WHERE entry_ms BETWEEN %s AND %s"  # what the index of `entry_ms` can look for
)


class ArchivedClicks:
    """A row never changes, and rows and the persister's cursor move together: all up to the cursor is there."""

    name = CLICKS.name
    columns = CLICKS.columns

    def waiting(self, connection: Connection, limit: int) -> tuple[Ranges, int]:
        found = connection.execute('SELECT "partition", entry_ms, entry_seq FROM archive_cursors')
        begins = {number: (entry_ms, entry_seq) for number, entry_ms, entry_seq in found}
        spans, rows = fitting(spans_of(begins, _persisted(connection)), limit, partial(_count, connection, limit))
        return [list(span) for span in spans], rows

    def rows(self, connection: Connection, ranges: Ranges) -> Lines:
        statement = copy_rows(self.columns, Format.parquet, moment=CLICKS.moment, source=_SPANS, order=CLICKS.order)
        return copied(connection, statement, _values(ranges))

    def settle(self, connection: Connection, ranges: Ranges) -> None:
        for number, _, _, end_ms, end_seq in ranges:
            connection.execute(
                'INSERT INTO archive_cursors VALUES (%s, %s, %s) ON CONFLICT ("partition")'
                " DO UPDATE SET entry_ms = excluded.entry_ms, entry_seq = excluded.entry_seq",
                [number, end_ms, end_seq],
            )


def _persisted(connection: Connection) -> dict[int, EntryId]:
    """The persister's cursor of each partition's clicks; of the newest, if it has had several namespaces."""
    ends: dict[int, EntryId] = {}
    for stream, cursor in connection.execute(
        "SELECT stream, cursor FROM stream_cursors WHERE stream ~ '(^|:)clicks:[{][0-9]+[}]$'"
    ):
        number = int(stream.rpartition("{")[2].rstrip("}"))
        ends[number] = max(ends.get(number, (0, 0)), split_id(cursor))
    return ends


def _count(connection: Connection, limit: int, spans: Sequence[Span]) -> int:
    counted = sql.SQL("SELECT count(*) FROM (SELECT FROM {} LIMIT %s) AS counted").format(_SPANS)
    row = connection.execute(counted, [*_values([list(span) for span in spans]), limit + 1]).fetchone()
    assert row is not None
    return int(row[0])


def _values(ranges: Ranges) -> list[Any]:
    columns = [list(column) for column in zip(*ranges, strict=True)] if ranges else [[]] * 5
    return [*columns, min(columns[1], default=0), max(columns[3], default=0)]


class ArchivedSessions:
    """Every change is kept in `session_changes` until it is written."""

    name = SESSIONS.name
    columns = CHANGE_COLUMNS

    def waiting(self, connection: Connection, limit: int) -> tuple[Ranges, int]:
        """Runs of numbers without a gap: a number that is missing may be of a commit that is still to come."""
        found = connection.execute(
            "SELECT min(change), max(change) FROM ("
            " SELECT change, change - row_number() OVER (ORDER BY change) AS gap FROM ("
            "  SELECT change FROM session_changes ORDER BY change LIMIT %s) AS oldest) AS numbered"
            " GROUP BY gap ORDER BY 1",
            [limit],
        )
        ranges = [[first, last] for first, last in found]
        return ranges, sum(last - first + 1 for first, last in ranges)

    def rows(self, connection: Connection, ranges: Ranges) -> Lines:
        source = sql.SQL(
            "session_changes JOIN unnest(%s::bigint[], %s::bigint[]) AS span (first, last)"
            " ON change BETWEEN first AND last"
        )
        statement = copy_rows(self.columns, Format.parquet, moment=SESSIONS.moment, source=source, order=("change",))
        return copied(connection, statement, [list(column) for column in zip(*ranges, strict=True)])

    def settle(self, connection: Connection, ranges: Ranges) -> None:
        for first, last in ranges:
            connection.execute("DELETE FROM session_changes WHERE change BETWEEN %s AND %s", [first, last])
