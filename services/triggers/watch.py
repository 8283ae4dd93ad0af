"""Open sessions, looked at again and again for triggers that fire while nothing happens."""

import asyncio
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from clickloom.metrics import FIRINGS
from clickloom.stored_part import PartReader
from clickloom.streams import START
from clickloom.times import now_us
from clickloom.triggers.trigger import Trigger
from clickloom.windows.rules import Rules
from services.triggers.candidates import Candidates
from services.triggers.decisions import Fired
from services.triggers.firing_rows import Connection, lock_stream, write_firings

EVERY_S = 2.0
AT_ONCE = 1_000  # firings written in one transaction, which keeps the changelog's reader from its own


class OpenWatch:
    """One partition under one window. As long as no trigger is on open, nothing is read and nothing kept.

    Any number of processes may watch: each reads, and what one has fired another does not. A session that closes before
    anybody looked is judged by the changelog's reader all the same; so nothing depends on how often is looked.
    """

    def __init__(
        self, reader: PartReader, stream: str, window: str, *, pool: "AsyncConnectionPool[Connection]", rules: Rules
    ) -> None:
        self.window = window
        self._reader = reader
        self._stream = stream  # the changelog, whose lock keeps others from firing for the same sessions at once
        self._pool = pool
        self._candidates = Candidates(window, rules)
        self._told: set[tuple[UUID, bytes]] = set()  # (trigger, session) of what is due and is written already

    async def look(self, triggers: list[Trigger]) -> None:
        """Fire what is due. Raises UnknownVersion."""
        if not triggers:
            self._reader.forget()
            self._candidates.forget()
            return
        part = await self._reader.read()
        if part is None:
            return
        due = await asyncio.to_thread(self._candidates.due, part, triggers)
        self._told &= set(map(_name, due))
        new = [one for one in due if _name(one) not in self._told]
        for first in range(0, len(new), AT_ONCE):
            await self._fire(new[first : first + AT_ONCE])

    async def _fire(self, due: list[Fired]) -> None:
        async with self._pool.connection() as connection, connection.transaction():
            if await lock_stream(connection, self._stream, START) is None:
                return  # another process is at it; the next look tells
            kept = await _kept(connection, due)
            count = await write_firings(connection, kept, now_us=now_us())
        FIRINGS.labels("open").inc(count)
        self._told |= set(map(_name, kept))


async def _kept(connection: Connection, due: list[Fired]) -> list[Fired]:
    """Those whose trigger is still enabled."""
    query = "SELECT trigger_id FROM triggers WHERE enabled AND trigger_id = ANY(%s) FOR KEY SHARE"
    found = await connection.execute(query, [list({one.trigger.trigger_id for one in due})])
    enabled = {trigger_id for (trigger_id,) in await found.fetchall()}
    return [one for one in due if one.trigger.trigger_id in enabled]


def _name(fired: Fired) -> tuple[UUID, bytes]:
    return fired.trigger.trigger_id, fired.session.uid
