"""Notes which days' sessions have changed, in the transaction that changes them."""

from clickloom.times import to_datetime
from services.persister.partitions import Connection
from services.persister.rollups import Moves

# In the order of days, so that two streams cannot wait for each other.
_MARK = """
INSERT INTO breakdown_days AS known ("window", site_id, day, changed, changed_at)
SELECT %s, site_id, day, 1, now() FROM unnest(%s::text[], %s::date[]) AS moved (site_id, day) ORDER BY site_id, day
ON CONFLICT ("window", site_id, day) DO UPDATE SET changed = known.changed + 1, changed_at = now()
"""


async def mark_days(connection: Connection, window: str, moves: Moves) -> None:
    """Also where sums are as before: a session may be another one."""
    days = {(place.site_id, to_datetime(place.bucket_us).date()) for place in moves}
    if days:
        sites, dates = zip(*days, strict=True)
        await connection.execute(_MARK, [window, list(sites), list(dates)])
