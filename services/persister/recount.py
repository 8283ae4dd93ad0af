"""Holds `session_rollups` against a recount of `sessions`, in one snapshot."""

from dataclasses import dataclass
from typing import Any

import psycopg

from clickloom.durations import BOUNDS_S

Connection = psycopg.Connection[tuple[Any, ...]]

SHOWN = 100
PLACE = ("window", "bucket", "site_id", "device_type", "begin_navigation")
SUMS = ("sessions", "events", "duration_sec", "bounces", "conversions", "orders", "revenue", "durations")


@dataclass(frozen=True, slots=True)
class Difference:
    """A place whose sums are not what a recount gives; None: there is no row."""

    place: tuple[Any, ...]  # as PLACE names them
    kept: tuple[Any, ...]  # as SUMS names them; durations as class → sessions
    recounted: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Check:
    places: int  # rows of session_rollups
    sessions: int
    different: int  # places
    differences: list[Difference]  # the first of them


# Where retention has dropped sessions or rollups there is nothing to hold the others against. `width_bucket` gives what
# `class_of` does (clickloom/durations.py), from 1 on.
_JUDGED = """
WITH judged AS (
    SELECT coalesce(max(until), '-infinity') AS since FROM dropped_rows
    WHERE table_name IN ('sessions', 'session_rollups')
)"""
_COUNT = f"""{_JUDGED}
SELECT count(*), coalesce(sum(sessions), 0)::bigint FROM session_rollups, judged WHERE bucket >= since
"""
_PLACE = ", ".join(f'"{name}"' for name in PLACE)
_ADDED = ", ".join(f"sum({name})::bigint AS {name}" for name in SUMS[:-2])
_COMPARE = f"""{_JUDGED}, classed AS (
    SELECT "window", to_timestamp(floor(extract(epoch FROM begin_session) / 300) * 300) AS bucket, site_id,
        device_type, begin_navigation, width_bucket(duration_sec, %s::int[]) AS class, count(*) AS sessions,
        sum(events)::bigint AS events, sum(duration_sec)::bigint AS duration_sec,
        count(*) FILTER (WHERE bounced) AS bounces, count(*) FILTER (WHERE converted) AS conversions,
        sum(orders)::bigint AS orders, sum(revenue) AS revenue
    FROM sessions, judged WHERE begin_session >= since GROUP BY {_PLACE}, class
), recounted AS (
    SELECT {_PLACE}, {_ADDED}, sum(revenue) AS revenue, jsonb_object_agg(class, sessions) AS durations
    FROM classed GROUP BY {_PLACE}
), kept AS (
    SELECT {_PLACE}, {", ".join(SUMS[:-1])}, (
        SELECT jsonb_object_agg(class, count) FROM unnest(durations) WITH ORDINALITY AS counted (count, class)
        WHERE count <> 0
    ) AS durations
    FROM session_rollups, judged WHERE bucket >= since
)
SELECT {_PLACE}, {", ".join(f"kept.{name}" for name in SUMS)}, {", ".join(f"recounted.{name}" for name in SUMS)},
    count(*) OVER ()
FROM kept FULL JOIN recounted USING ({_PLACE})
WHERE ({", ".join(f"kept.{name}" for name in SUMS)})
    IS DISTINCT FROM ({", ".join(f"recounted.{name}" for name in SUMS)})
ORDER BY {_PLACE} LIMIT {SHOWN}
"""


def check_rollups(connection: Connection) -> Check:
    """Reads all sessions that are kept; nobody has to wait for it."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection.transaction():
        [(places, sessions)] = connection.execute(_COUNT.encode()).fetchall()
        rows = connection.execute(_COMPARE.encode(), [list(BOUNDS_S)]).fetchall()
    cut, end = len(PLACE), len(PLACE) + len(SUMS)
    found = [Difference(row[:cut], row[cut:end], row[end:-1]) for row in rows]
    return Check(places, sessions, rows[0][-1] if rows else 0, found)
