"""Attempts at webhooks, in Postgres: who makes the next one, and what came of it.

To take one is to put off when it is due again by longer than it can last. So several processes share them, nobody holds
a lock while a receiver takes its time, and what a process had that was killed is tried again by whoever comes next.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from clickloom.times import SECOND_US
from services.triggers.firing_rows import Connection

LEASE_S = 90  # longer than WEBHOOK_TIMEOUT can be, with a name that takes its time to be resolved


class Attempt(NamedTuple):
    """A webhook to be sent now, by us alone."""

    firing_id: UUID
    trigger_id: UUID
    body: str
    number: int  # of the attempt, from 1
    url: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an attempt."""

    state: str  # delivered, pending, dead
    answer: str
    wait_us: int = 0  # until the next attempt, if pending
    gone: bool = False  # the receiver wants no more


_DUE = """
SELECT DISTINCT trigger_id FROM trigger_firings JOIN triggers USING (trigger_id)
WHERE state = 'pending' AND due_at <= now() AND enabled AND trigger_id <> ALL(%s)
"""
_TAKE = """
UPDATE trigger_firings firing SET attempts = attempts + 1, due_at = now() + make_interval(secs => %s)
FROM triggers WHERE triggers.trigger_id = firing.trigger_id AND firing_id IN (
    SELECT firing_id FROM trigger_firings WHERE trigger_id = %s AND state = 'pending' AND due_at <= now()
    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
) AND enabled
RETURNING firing_id, firing.trigger_id, body, attempts, url, secret
"""
# Of a later attempt, by who took it when we were given up for lost, only success is news.
_SETTLE = """
UPDATE trigger_firings SET state = %(state)s, answer = %(answer)s,
    due_at = now() + make_interval(secs => %(wait_s)s),
    settled_at = CASE WHEN %(state)s = 'pending' THEN NULL ELSE now() END
WHERE firing_id = %(firing_id)s AND state = 'pending' AND (attempts = %(number)s OR %(state)s = 'delivered')
"""
_DISABLE = "UPDATE triggers SET enabled = false, trouble = %s WHERE trigger_id = %s AND enabled AND url = %s"
_FORGET = "DELETE FROM trigger_firings WHERE state <> 'pending' AND settled_at < now() - make_interval(days => %s)"


async def due_triggers(pool: "AsyncConnectionPool[Connection]", *, but: Collection[UUID]) -> list[UUID]:
    """Of which webhooks are due, of enabled triggers."""
    async with pool.connection() as connection:
        found = await connection.execute(_DUE, [list(but)])
        return [trigger_id for (trigger_id,) in await found.fetchall()]


async def take(pool: "AsyncConnectionPool[Connection]", trigger_id: UUID, *, at_most: int) -> list[Attempt]:
    """The next of a trigger's webhooks that are due."""
    async with pool.connection() as connection:
        found = await connection.execute(_TAKE, [LEASE_S, trigger_id, at_most])
        return [Attempt(*row) for row in await found.fetchall()]


async def settle(pool: "AsyncConnectionPool[Connection]", attempt: Attempt, outcome: Outcome) -> None:
    values: dict[str, Any] = {
        "state": outcome.state,
        "answer": outcome.answer.replace("\0", "\\0"),
        "wait_s": outcome.wait_us / SECOND_US,
        "firing_id": attempt.firing_id,
        "number": attempt.number,
    }
    async with pool.connection() as connection:
        await connection.execute(_SETTLE, values)
        if outcome.gone:
            told = f"the receiver answered {outcome.answer}: it wants no more"
            await connection.execute(_DISABLE, [told, attempt.trigger_id, attempt.url])


async def forget_settled(pool: "AsyncConnectionPool[Connection]", days: int) -> int:
    """Delete firings whose webhook has been delivered, or dead, for so long; how many."""
    async with pool.connection() as connection:
        return (await connection.execute(_FORGET, [days])).rowcount
