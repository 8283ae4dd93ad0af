"""Holds the breakdowns of counted days against a recount of `sessions`, each day in a snapshot."""

from dataclasses import dataclass
from typing import Any

import psycopg

from clickloom.breakdowns import EXPERIMENT
from services.persister.day_counter import Day
from services.persister.day_counts import COLUMNS, COUNTED

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class DaysCheck:
    counted: int
    different: list[Day]  # counted, and not what a recount gives; or nobody noted that it has sessions


# As with rollups, where retention has dropped sessions there is nothing to hold the others against.
_SINCE = """(
    SELECT coalesce(max(until), '-infinity') FROM dropped_rows WHERE table_name IN ('sessions', 'session_rollups')
)"""
_COUNTED_DAYS = f"""
SELECT "window", site_id, day FROM breakdown_days
WHERE counted = changed AND day >= {_SINCE} AT TIME ZONE 'UTC' ORDER BY day, "window", site_id
"""
_UNNOTED_DAYS = f"""
SELECT DISTINCT "window", site_id, CAST(bucket AT TIME ZONE 'UTC' AS date) FROM session_rollups WHERE bucket >= {_SINCE}
EXCEPT SELECT "window", site_id, day FROM breakdown_days
"""
_DIFFERS = f"""
WITH of_day AS (
    SELECT changed, counted, left_out FROM breakdown_days
    WHERE "window" = %(window)s AND site_id = %(site_id)s AND day = %(day)s
), kept AS (
    SELECT {COLUMNS} FROM breakdowns
    WHERE "window" = %(window)s AND site_id = %(site_id)s AND bucket >= %(begin)s AND bucket < %(end)s
), recounted AS (
    SELECT counted.* FROM ({COUNTED}) AS counted ({COLUMNS}), of_day
    WHERE NOT coalesce(dimension = ANY(left_out), false)
        AND NOT (starts_with(dimension, '{EXPERIMENT}') AND '{EXPERIMENT}' = ANY(left_out))
)
SELECT counted = changed AND EXISTS (
    (TABLE kept EXCEPT ALL TABLE recounted) UNION ALL (TABLE recounted EXCEPT ALL TABLE kept)
) FROM of_day
"""


def check_days(connection: Connection) -> DaysCheck:
    """Reads all sessions of counted days; nobody has to wait for it."""
    with connection.transaction():
        days = [Day(*row) for row in connection.execute(_COUNTED_DAYS.encode()).fetchall()]
        unnoted = [Day(*row) for row in connection.execute(_UNNOTED_DAYS.encode()).fetchall()]
    return DaysCheck(len(days), [*(day for day in days if _differs(connection, day)), *unnoted])


def _differs(connection: Connection, day: Day) -> bool:
    with connection.transaction():
        row = connection.execute(_DIFFERS.encode(), day.parameters()).fetchone()
    return row is not None and bool(row[0])
