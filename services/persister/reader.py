"""One stream into Postgres: read after the cursor that Postgres keeps, write, move the cursor, in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from clickloom.keys import Keys
from clickloom.metrics import ROLLED_BACK, ROWS
from clickloom.streams import START, Entry, as_bytes, read_stream, split_id
from clickloom.times import to_datetime
from clickloom.windows.spec import Window
from services.persister.rows import Rows, changelog_rows, click_rows, rejected_rows
from services.persister.writer import Connection, write

log = structlog.get_logger()

GROUP = "persister"  # the consumer group that shows how far this reader is


@dataclass(frozen=True, slots=True)
class Source:
    """A stream and how its entries become rows."""

    stream: str
    entries: int  # read at once at the most
    rows: Callable[[Sequence[Entry]], Rows]


def sources(keys: Keys, *, partitions: int, windows: Sequence[Window], buffer_rows: int) -> list[Source]:
    """Every stream that goes into Postgres."""
    found = [Source(keys.rejected(), 1_000, lambda entries: rejected_rows(keys.rejected(), entries))]
    for number in range(partitions):
        found.append(_clicks(keys.clicks(number), number, buffer_rows))
        found += [_changelog(keys.sessions(window.name, number), window.name) for window in windows]
    return found


def _clicks(stream: str, partition: int, buffer_rows: int) -> Source:
    return Source(stream, max(1, buffer_rows // 500), lambda entries: click_rows(stream, partition, entries))


def _changelog(stream: str, window: str) -> Source:
    return Source(stream, 16, lambda entries: changelog_rows(stream, window, entries))


class StreamReader:
    """Moves one stream into Postgres. Any number of processes may run it: the cursor's row lock shares the work."""

    def __init__(self, source: Source, *, redis: Redis, pool: "AsyncConnectionPool[Connection]") -> None:
        self._source = source
        self._redis = redis
        self._pool = pool

    async def step(self) -> bool:
        """One commit; False if there was nothing to do, or another process is at it.

        1. Lock the stream's row in stream_cursors; skip the stream if another process has it.
        2. Read the entries after the cursor.
        3. Write their rows, each of which is idempotent.
        4. Move the cursor and commit.
        5. Show the cursor as a consumer group in Redis.

        A crash before 4 ends leaves the tables as they were; a crash after it leaves rows and cursor moved together,
        and only the group behind, which the next commit puts right.
        """
        async with self._pool.connection() as connection, connection.transaction():
            cursor = await self._lock(connection)
            if cursor is None:
                return False
            entries = await read_stream(
                self._redis, self._source.stream, cursor, count=self._source.entries, block_ms=None
            )
            if not entries:
                return await self._rolled_back(connection, cursor)
            rows = self._source.rows(entries)
            await write(connection, rows)
            cursor = entries[-1][0].decode()
            await self._move(connection, cursor, rows.watermark_us)
        _count(rows)
        await self._show(cursor)
        return True

    async def _lock(self, connection: Connection) -> str | None:
        await connection.execute(
            "INSERT INTO stream_cursors (stream, cursor, updated_at) VALUES (%s, %s, now()) ON CONFLICT DO NOTHING",
            [self._source.stream, START],
        )
        found = await connection.execute(
            "SELECT cursor FROM stream_cursors WHERE stream = %s FOR UPDATE SKIP LOCKED", [self._source.stream]
        )
        row = await found.fetchone()
        return None if row is None else str(row[0])

    async def _move(self, connection: Connection, cursor: str, watermark_us: int | None) -> None:
        watermark = None if watermark_us is None else to_datetime(watermark_us)
        await connection.execute(
            "UPDATE stream_cursors SET cursor = %s, watermark = coalesce(%s, watermark), updated_at = now()"
            " WHERE stream = %s",
            [cursor, watermark, self._source.stream],
        )

    async def _rolled_back(self, connection: Connection, cursor: str) -> bool:
        """A cursor ahead of the stream's last id: Redis lost entries. Read it again from the start."""
        if cursor == START or split_id(cursor) <= split_id(await self._last_id()):
            return False
        ROLLED_BACK.labels(GROUP).inc()
        log.error("stream.rolled_back", stream=self._source.stream, cursor=cursor, remedy="reading from the start")
        await self._move(connection, START, None)
        return True

    async def _last_id(self) -> str:
        try:
            info = await self._redis.xinfo_stream(self._source.stream)
        except ResponseError:  # no such stream
            return START
        return as_bytes(info["last-generated-id"]).decode()

    async def _show(self, cursor: str) -> None:
        try:
            await self._redis.xgroup_setid(self._source.stream, GROUP, cursor)
        except ResponseError:  # no such group yet
            await self._redis.xgroup_create(self._source.stream, GROUP, cursor, mkstream=True)


def _count(rows: Rows) -> None:
    for table, written in (
        ("clicks", rows.clicks),
        ("sessions", rows.sessions),
        ("late_clicks", rows.late),
        ("rejected_events", rows.rejected),
    ):
        if written:
            ROWS.labels(table).inc(len(written))
