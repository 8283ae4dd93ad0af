"""What triggers have fired, and whether it was delivered, in Postgres, for people to look at."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, get_args
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

State = Literal["pending", "delivered", "dead"]
STATES: tuple[State, ...] = get_args(State)


class Firing(NamedTuple):
    """A firing with how its webhook fares."""

    firing_id: UUID  # the webhook's id
    trigger_id: UUID
    session_uid: UUID
    fired_at: datetime
    state: State
    attempts: int
    due_at: datetime  # of the next attempt, if it is pending
    settled_at: datetime | None
    answer: str | None  # of the last attempt


Place = tuple[datetime, UUID]

_LIST = f"""
SELECT {", ".join(Firing._fields)} FROM trigger_firings
WHERE trigger_id = ANY(:triggers) AND state = ANY(:states)
    AND (CAST(:at AS timestamptz) IS NULL OR (fired_at, firing_id) < (:at, CAST(:firing AS uuid)))
ORDER BY fired_at DESC, firing_id DESC LIMIT :limit
"""


async def read_firings(
    engine: AsyncEngine,
    triggers: Sequence[UUID],
    *,
    state: State | None = None,
    before: Place | None = None,
    at_most: int = 100,
) -> list[Firing]:
    """The newest first."""
    at, firing_id = before or (None, None)
    states = list(STATES) if state is None else [state]
    values = {"triggers": list(triggers), "states": states, "at": at, "firing": firing_id, "limit": at_most}
    async with engine.connect() as connection:
        return [Firing(*row) for row in await connection.execute(text(_LIST), values)]


async def count_firings(engine: AsyncEngine, triggers: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """By trigger and state."""
    query = "SELECT trigger_id, state, count(*) FROM trigger_firings WHERE trigger_id = ANY(:triggers) GROUP BY 1, 2"
    counts: dict[UUID, dict[str, int]] = {one: dict.fromkeys(map(str, STATES), 0) for one in triggers}
    async with engine.connect() as connection:
        for trigger_id, state, count in await connection.execute(text(query), {"triggers": list(triggers)}):
            counts[trigger_id][state] = count
    return counts


_RETRY = """
UPDATE trigger_firings SET state = 'pending', attempts = 0, due_at = now(), settled_at = NULL
WHERE state = 'dead' AND trigger_id = ANY(:triggers) AND (CAST(:firing AS uuid) IS NULL OR firing_id = :firing)
"""


async def retry_dead(engine: AsyncEngine, triggers: Sequence[UUID], firing_id: UUID | None = None) -> int:
    """Send again what is dead, or one of it, from the first attempt on; how many."""
    async with engine.begin() as connection:
        values = {"triggers": list(triggers), "firing": firing_id}
        return (await connection.execute(text(_RETRY), values)).rowcount
