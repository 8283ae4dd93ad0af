"""The three things that the service does over and over, each as a step."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from psycopg_pool import AsyncConnectionPool

from services.triggers.attempts import forget_settled
from services.triggers.decisions import of_window
from services.triggers.firing_rows import Connection, enabled_triggers
from services.triggers.reader import ChangelogReader
from services.triggers.watch import OpenWatch

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Work:
    pool: "AsyncConnectionPool[Connection]"
    readers: Sequence[ChangelogReader]
    watches: Sequence[OpenWatch]
    kept_days: int

    async def read(self) -> bool:
        """Judge what has closed."""
        return any([await reader.step() for reader in self.readers])

    async def watch(self) -> bool:
        """Judge what is open, if any trigger is about that."""
        async with self.pool.connection() as connection:
            triggers = await enabled_triggers(connection)
        for watch in self.watches:
            await watch.look(of_window(triggers, watch.window, "open"))
        return False

    async def forget(self) -> bool:
        """Delete what nobody needs any more."""
        if count := await forget_settled(self.pool, self.kept_days):
            log.info("firings.dropped", count=count)
        return False
