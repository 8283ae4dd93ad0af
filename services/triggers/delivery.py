"""Sends what is due, each trigger's beside the others': a receiver that hangs keeps nobody else waiting."""

import asyncio
from uuid import UUID

import structlog
from psycopg_pool import AsyncConnectionPool

from clickloom.metrics import WEBHOOKS
from services.triggers.attempts import Attempt, due_triggers, settle, take
from services.triggers.firing_rows import Connection
from services.triggers.sending import Sender

log = structlog.get_logger()

AT_ONCE = 4  # webhooks of one trigger
RECEIVERS = 32  # triggers at once


class Delivery:
    """Any number of processes may deliver: an attempt is one's own.

    1. Take: the attempt is counted, and due again when it must be over.
    2. Send.
    3. Write down what came of it.

    A crash after 1 loses nothing: the attempt is due again, by then it may have been received, and its id tells so.
    """

    def __init__(self, pool: "AsyncConnectionPool[Connection]", sender: Sender) -> None:
        self._pool = pool
        self._sender = sender
        self._running: dict[UUID, asyncio.Task[None]] = {}

    async def look(self) -> bool:
        """Begin with every trigger of which something is due, and raise what went wrong with one of the last."""
        for trigger_id, task in list(self._running.items()):
            if task.done():
                del self._running[trigger_id]
                task.result()
        free = RECEIVERS - len(self._running)
        for trigger_id in (await due_triggers(self._pool, but=self._running))[:free] if free else ():
            self._running[trigger_id] = asyncio.create_task(self._serve(trigger_id))
        return False

    async def _serve(self, trigger_id: UUID) -> None:
        """Send until nothing of the trigger is due."""
        while attempts := await take(self._pool, trigger_id, at_most=AT_ONCE):
            await asyncio.gather(*map(self._attempt, attempts))

    async def _attempt(self, attempt: Attempt) -> None:
        outcome = await self._sender.send(attempt)
        await settle(self._pool, attempt, outcome)
        WEBHOOKS.labels("failed" if outcome.state == "pending" else outcome.state).inc()
        if outcome.state != "delivered":
            told = {"trigger": str(attempt.trigger_id), "webhook": str(attempt.firing_id), "answer": outcome.answer}
            tell = log.error if outcome.state == "dead" else log.warning
            tell(f"webhook.{'dead' if outcome.state == 'dead' else 'failed'}", attempt=attempt.number, **told)

    async def close(self) -> None:
        """What is under way is cut off, as by a kill."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
