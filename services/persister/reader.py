"""One stream into Postgres: read after the cursor that Postgres keeps, write, move the cursor, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.layout import PERSISTER
from clickloom.metrics import ROLLED_BACK, ROWS
from clickloom.streams import START, last_id, lost_cursor, read_stream, show_cursor, split_id
from clickloom.times import to_datetime
from clickloom.windows.spec import Window
from services.persister.ledger import Scope, read_account, write_account
from services.persister.partitions import Connection
from services.persister.rows import AddEntry, Rows, add_changelog, add_clicks, add_entries, add_rejected
from services.persister.writer import write

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Source:
    """A stream and how its entries become rows."""

    scope: Scope
    entries: int  # in one answer of Redis at the most
    add: AddEntry

    @property
    def stream(self) -> str:
        return self.scope.stream


def sources(keys: Keys, *, partitions: int, windows: Sequence[Window]) -> list[Source]:
    """Every stream that goes into Postgres. An entry holds up to 500 clicks, or many thousands of sessions."""
    found = [Source(Scope(keys.rejected(), keys.rejected(), 0), 1_000, add_rejected)]
    for number in range(partitions):
        clicks = keys.clicks(number)
        found.append(Source(Scope(clicks, clicks, number), 100, partial(add_clicks, number)))
        for name in (window.name for window in windows):
            scope = Scope(keys.sessions(name, number), clicks, number, name)
            found.append(Source(scope, 4, partial(add_changelog, name)))
    return found


class StreamReader:
    """Moves one stream into Postgres. Any number of processes may run it: the cursor's row lock shares the work."""

    def __init__(
        self, source: Source, *, redis: Redis, pool: "AsyncConnectionPool[Connection]", buffer_rows: int
    ) -> None:
        self._source = source
        self._redis = redis
        self._pool = pool
        self._buffer_rows = buffer_rows
        self._known: str | None = None  # the cursor as this process last saw it; another may have moved it on since

    async def step(self) -> bool:
        """One commit, if there is anything new; True if more can be written at once.

        0. Ask Redis whether anything is behind the cursor that we know; Postgres is left alone if not.
        1. Lock the stream's row in stream_cursors; skip the stream if another process has it.
        2. Read the entries after the cursor; from the start, if Redis has lost the one at which it stands.
        3. Write their rows, each of which is idempotent, and count in the ledger what it has not counted yet.
        4. Move the cursor and commit.
        5. Show the cursor as a consumer group in Redis; or begin anew, if Redis was started again since 2 without
           some of what was read.

        A crash before 4 ends leaves the tables as they were; a crash after it leaves rows and cursor moved together,
        and only the group behind, which the next commit puts right.
        """
        known = self._known or START
        if not await read_stream(self._redis, self._source.stream, known, count=1, block_ms=None):
            return False
        async with self._pool.connection() as connection, connection.transaction():
            locked = await self._lock(connection)
            if locked is None:
                return False
            cursor, rollbacks = locked
            lost, server = await lost_cursor(self._redis, self._source.stream, PERSISTER, cursor)
            if lost:
                cursor, rollbacks = await self._begin_anew(connection, cursor), rollbacks + 1
            account = await read_account(connection, self._source.scope)
            rows = Rows(self._source.stream, account, rollbacks)
            last, count, more = await self._gather(rows, cursor)
            if last != cursor:  # otherwise another process has written what was new
                await write(connection, rows)
                rows.account.reject(rows.rejected)
                rows.account.reach(split_id(last))
                await write_account(connection, rows.account, self._source.scope)
                await self._move(connection, last, rows.watermark_us)
        self._known = last
        _count(rows)
        if not await show_cursor(
            self._redis, self._source.stream, PERSISTER, last, since=cursor, entries=count, read_from=server
        ):
            await self._read_anew()
        return more

    async def _lock(self, connection: Connection) -> tuple[str, int] | None:
        """The cursor, and how often the stream was begun anew; None if another process has it."""
        await connection.execute(
            "INSERT INTO stream_cursors (stream, cursor, updated_at) VALUES (%s, %s, now()) ON CONFLICT DO NOTHING",
            [self._source.stream, START],
        )
        found = await connection.execute(
            "SELECT cursor, rollbacks FROM stream_cursors WHERE stream = %s FOR UPDATE SKIP LOCKED",
            [self._source.stream],
        )
        row: Any = await found.fetchone()
        return None if row is None else (str(row[0]), int(row[1]))

    async def _gather(self, rows: Rows, cursor: str) -> tuple[str, int, bool]:
        """Read until the buffer is full or nothing is left: the new cursor, entries read, whether there is more."""
        count = 0
        while len(rows) < self._buffer_rows:
            entries = await read_stream(
                self._redis, self._source.stream, cursor, count=self._source.entries, block_ms=None
            )
            add_entries(rows, entries, self._source.add)
            count += len(entries)
            if entries:
                cursor = entries[-1][0].decode()
            if len(entries) < self._source.entries:
                return cursor, count, False
        return cursor, count, True

    async def _move(self, connection: Connection, cursor: str, watermark_us: int | None) -> None:
        watermark = None if watermark_us is None else to_datetime(watermark_us)
        await connection.execute(
            "UPDATE stream_cursors SET cursor = %s, watermark = coalesce(%s, watermark), updated_at = now()"
            " WHERE stream = %s",
            [cursor, watermark, self._source.stream],
        )

    async def check(self) -> None:
        """If the cursor is ahead of the stream's last id, Redis lost entries: read the stream again from its start."""
        if self._known == await last_id(self._redis, self._source.stream):
            return
        async with self._pool.connection() as connection, connection.transaction():
            locked = await self._lock(connection)
            if locked is None:
                return
            cursor, _ = locked
            # asked anew: another process may have moved the cursor meanwhile
            if split_id(cursor) > split_id(await last_id(self._redis, self._source.stream)):
                cursor = await self._begin_anew(connection, cursor)
        self._known = cursor

    async def _read_anew(self) -> None:
        async with self._pool.connection() as connection, connection.transaction():
            if locked := await self._lock(connection):
                self._known = await self._begin_anew(connection, locked[0])

    async def _begin_anew(self, connection: Connection, cursor: str) -> str:
        """Redis came back without entries up to the cursor. New ones may have got ids before it: look at all again."""
        ROLLED_BACK.labels(PERSISTER).inc()
        log.error("stream.rolled_back", stream=self._source.stream, cursor=cursor, reason="Redis has lost entries")
        await connection.execute(
            "UPDATE stream_cursors SET cursor = %s, rollbacks = rollbacks + 1, updated_at = now() WHERE stream = %s",
            [START, self._source.stream],
        )
        return START


def _count(rows: Rows) -> None:
    for table, written in (
        ("clicks", rows.clicks),
        ("sessions", rows.sessions),
        ("late_clicks", rows.late),
        ("rejected_events", rows.rejected),
    ):
        if written:
            ROWS.labels(table).inc(len(written))
