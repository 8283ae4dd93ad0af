"""Counts the breakdowns of days whose sessions have changed, when they have come to rest.

1. In one snapshot see how often the day was changed, and count its sessions.
2. Put what was counted in the place of what was, note of which change it is, and commit.

Who changes the day meanwhile notes a later change: then it is not counted, and its turn comes again. Any number of
processes may do this at once.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import psycopg
import structlog
from psycopg.errors import LockNotAvailable, SerializationFailure
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from clickloom.breakdowns import EXPERIMENT
from services.persister.day_counts import COLUMNS, COUNTED, MOST_EXPERIMENTS, MOST_VALUES
from services.persister.partitions import Connection

log = structlog.get_logger()

EVERY_S = 30.0
QUIET_S = 60  # that a day has not changed for, before it is counted
NOT_AGAIN_S = 1_800  # or it is never quiet, and was counted, or first changed, so long ago


@dataclass(frozen=True, slots=True)
class Day:
    window: str
    site_id: str
    day: date

    def parameters(self) -> dict[str, Any]:
        begin = datetime.combine(self.day, time(), UTC)
        end = begin + timedelta(days=1)
        return {"window": self.window, "site_id": self.site_id, "day": self.day, "begin": begin, "end": end}


async def keep_counted(pool: "AsyncConnectionPool[Connection]", stop: asyncio.Event) -> None:
    """Until told to stop. A store that is away is tried again the next time."""
    while not stop.is_set():
        try:
            async with pool.connection() as connection:
                for day in await due(connection, datetime.now(UTC)):
                    if stop.is_set():
                        return
                    await count(connection, day)
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("days.uncounted", reason=str(error).strip())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), timeout=EVERY_S)


# Not today, nor what lies ahead: they go on changing. Not what retention has dropped the sessions of: what was counted
# of them before is all that is left.
_DUE = """
SELECT "window", site_id, day FROM breakdown_days
WHERE counted <> changed AND day < %(today)s AND day >= (
    SELECT coalesce(max(until), '-infinity') AT TIME ZONE 'UTC' FROM dropped_rows WHERE table_name = 'sessions'
) AND (changed_at < %(now)s - %(quiet)s OR coalesce(counted_at, noted_at) < %(now)s - %(again)s)
ORDER BY day DESC, "window", site_id
"""


async def due(connection: Connection, now: datetime, *, quiet_s: float = QUIET_S) -> list[Day]:
    """The days to count, the newest first."""
    bounds = {"quiet": timedelta(seconds=quiet_s), "again": timedelta(seconds=NOT_AGAIN_S)}
    async with connection.transaction():
        found: Any = await connection.execute(_DUE.encode(), {"today": now.date(), "now": now, **bounds})
        return [Day(*row) for row in await found.fetchall()]


_CHANGED = """
SELECT changed FROM breakdown_days WHERE "window" = %(window)s AND site_id = %(site_id)s AND day = %(day)s
"""
_OF_DAY = """ "window" = %(window)s AND site_id = %(site_id)s AND bucket >= %(begin)s AND bucket < %(end)s"""
_CLEAR = f"DELETE FROM breakdowns WHERE {_OF_DAY}"
_COUNT = f"INSERT INTO breakdowns ({COLUMNS}) {COUNTED}"
# Of experiments all or none: nobody could tell of one that is not there whether it was left out.
_TOO_MANY = f"""
SELECT dimension FROM breakdowns WHERE {_OF_DAY} GROUP BY dimension HAVING count(DISTINCT value) > {MOST_VALUES}
UNION ALL SELECT '{EXPERIMENT}' FROM breakdowns WHERE {_OF_DAY} AND starts_with(dimension, '{EXPERIMENT}')
HAVING count(DISTINCT dimension) > {MOST_EXPERIMENTS}
"""
_LEAVE_OUT = f"""
DELETE FROM breakdowns WHERE {_OF_DAY} AND (
    dimension = ANY(%(left_out)s)
    OR '{EXPERIMENT}' = ANY(%(left_out)s) AND starts_with(dimension, '{EXPERIMENT}')
)
"""
_NOTE = """
UPDATE breakdown_days SET counted = %(changed)s, counted_at = now(), left_out = %(left_out)s
WHERE "window" = %(window)s AND site_id = %(site_id)s AND day = %(day)s
"""
_SNAPSHOT = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL lock_timeout = '1s'
"""


async def count(connection: Connection, day: Day) -> bool:
    """Whether it is counted now; it is not if it changed meanwhile, or another process counts it."""
    parameters = day.parameters()
    try:
        async with connection.transaction():
            await connection.execute(_SNAPSHOT.encode())
            parameters["changed"] = (await _rows(connection, _CHANGED, parameters))[0]
            await connection.execute(_CLEAR.encode(), parameters)
            await connection.execute(_COUNT.encode(), parameters)
            parameters["left_out"] = await _rows(connection, _TOO_MANY, parameters)
            if parameters["left_out"]:
                await connection.execute(_LEAVE_OUT.encode(), parameters)
            await connection.execute(_NOTE.encode(), parameters)
    except (SerializationFailure, LockNotAvailable):
        return False
    return True


async def _rows(connection: Connection, query: str, parameters: dict[str, Any]) -> list[Any]:
    found = await connection.execute(query.encode(), parameters)
    return [value for (value,) in await found.fetchall()]
