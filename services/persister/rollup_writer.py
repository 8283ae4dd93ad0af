"""Moves the rows of `session_rollups`."""

from clickloom.durations import CLASSES
from clickloom.tables import session_rollups
from clickloom.times import to_datetime
from services.persister.copying import copy_incoming, copy_packed
from services.persister.partitions import Connection
from services.persister.rollups import Moves

_SUMS = ("sessions", "events", "duration_sec", "bounces", "conversions", "orders", "revenue")
_ADDED = ", ".join(f"{name} = r.{name} + excluded.{name}" for name in _SUMS)
_DURATIONS = ", ".join(f"r.durations[{number}] + excluded.durations[{number}]" for number in range(1, CLASSES + 1))

# In the order of places, so that two streams that move the same rows cannot wait for each other.
_MOVE = f"""
INSERT INTO session_rollups AS r SELECT * FROM incoming_session_rollups
ORDER BY "window", bucket, site_id, device_type, begin_navigation
ON CONFLICT ("window", bucket, site_id, device_type, begin_navigation)
    DO UPDATE SET {_ADDED}, durations = ARRAY[{_DURATIONS}]
"""
# A place of which nothing is left looks as if nothing had ever been there.
_CLEAR = 'DELETE FROM session_rollups WHERE "window" = %s AND bucket = ANY(%s) AND sessions = 0'


async def move_rollups(connection: Connection, window: str, moves: Moves) -> None:
    rows = moves.packed_rows(window)
    if rows:
        await copy_incoming(connection, session_rollups, rows, copy_packed)
        await connection.execute(_MOVE.encode())
    if emptied := moves.emptied():
        await connection.execute(_CLEAR, [window, [to_datetime(bucket_us) for bucket_us in emptied]])
