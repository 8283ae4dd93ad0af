"""One changelog: which triggers fire for the sessions that it closes, and how far it is judged, in one transaction."""

import structlog
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from clickloom.errors import UndecodableEntry
from clickloom.layout import TRIGGERS
from clickloom.metrics import FIRINGS, ROLLED_BACK, UNDECODABLE
from clickloom.streams import START, Entry, last_id, lost_cursor, read_stream, show_cursor, split_id
from clickloom.times import now_us
from clickloom.triggers.trigger import Trigger
from clickloom.wire import FIELD, decode_changelog
from services.triggers.decisions import Fired, closing, of_window
from services.triggers.firing_rows import Connection, enabled_triggers, lock_stream, move_cursor, write_firings

log = structlog.get_logger()

ENTRIES = 4  # read at once; one holds up to many thousands of sessions


class ChangelogReader:
    """Moves one changelog on. Any number of processes may run it: the cursor's row lock shares the work."""

    def __init__(self, stream: str, window: str, *, redis: Redis, pool: "AsyncConnectionPool[Connection]") -> None:
        self.stream = stream
        self._window = window
        self._redis = redis
        self._pool = pool
        self._known = START  # the cursor as this process last saw it; another may have moved it on since

    async def step(self) -> bool:
        """One commit, if there is anything new; True if there may be more.

        0. Ask Redis whether anything is behind the cursor that we know, or less than that; Postgres is left alone if
           not.
        1. Lock the changelog's row in trigger_cursors; skip it if another process has it.
        2. Read the entries after the cursor; from the start, if Redis has lost the one at which it stands.
        3. Write what fires and has not fired before.
        4. Move the cursor and commit.
        5. Show the cursor as a consumer group in Redis, so that the stream can be trimmed.

        A crash before 4 ends leaves what has fired as it was; a crash after it leaves firings and cursor moved
        together, and only the group behind, which the next commit puts right. Whatever is read again, after a loss of
        Redis too, has fired already.
        """
        if not await self._is_new():
            return False
        async with self._pool.connection() as connection, connection.transaction():
            since = await lock_stream(connection, self.stream, START)
            if since is None:
                return False
            cursor, server = await self._position(since)
            entries = await read_stream(self._redis, self.stream, cursor, count=ENTRIES, block_ms=None)
            last = entries[-1][0].decode() if entries else cursor
            triggers = of_window(await enabled_triggers(connection), self._window) if entries else []
            fired = [one for entry in entries for one in self._judged(entry, triggers)]
            count = await write_firings(connection, fired, now_us=now_us())
            await move_cursor(connection, self.stream, last)
        self._known = last
        FIRINGS.labels("closed").inc(count)
        shown = await show_cursor(
            self._redis, self.stream, TRIGGERS, last, since=cursor, entries=len(entries), read_from=server
        )
        if not shown:  # Redis was started again meanwhile, without some of what was read
            self._known = START
        return len(entries) == ENTRIES

    async def _is_new(self) -> bool:
        if await read_stream(self._redis, self.stream, self._known, count=1, block_ms=None):
            return True
        return split_id(self._known) > split_id(await last_id(self._redis, self.stream))

    async def _position(self, cursor: str) -> tuple[str, str]:
        """From where to read, and which server says so."""
        lost, server = await lost_cursor(self._redis, self.stream, TRIGGERS, cursor)
        if lost or split_id(cursor) > split_id(await last_id(self._redis, self.stream)):
            ROLLED_BACK.labels(TRIGGERS).inc()
            log.error("stream.rolled_back", stream=self.stream, cursor=cursor, reason="Redis has lost entries")
            return START, server
        return cursor, server

    def _judged(self, entry: Entry, triggers: list[Trigger]) -> list[Fired]:
        """Raises UnknownVersion. What no version of this software wrote the persister keeps as rejected."""
        entry_id, fields = entry
        if not triggers:
            return []
        try:
            changelog = decode_changelog(fields.get(FIELD, b""))
        except UndecodableEntry as error:
            UNDECODABLE.labels(TRIGGERS).inc()
            log.warning("entry.undecodable", stream=self.stream, entry=entry_id.decode(), reason=str(error))
            return []
        return list(closing(triggers, split_id(entry_id.decode()), changelog))
