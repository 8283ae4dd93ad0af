"""What every protocol does with a request: take it in, or say why not."""

import asyncio
import random
import time
from dataclasses import dataclass

from redis.exceptions import RedisError

from clickloom.click import DEFAULT_SITE
from clickloom.errors import RejectedInput
from clickloom.metrics import EVENTS_ACCEPTED, EVENTS_REJECTED
from clickloom.publish import NOWHERE, Placed
from clickloom.times import now_us
from clickloom.wire import MAX_PAYLOAD, RejectedEvent
from services.api.ingest.events import Rejection, Sorted, Terms
from services.api.ingest.sender import Sender
from services.api.problems import Problem
from services.api.resources import Resources

STORED_WITHIN_S = 5
RETRY_AFTER_S = "1"


@dataclass(frozen=True, slots=True)
class Intake:
    """One request on its way in."""

    resources: Resources
    sender: Sender
    terms: Terms
    source: str  # the protocol: of what is refused

    @classmethod
    def of(cls, resources: Resources, sender: Sender, *, source: str) -> "Intake":
        """Of a request that comes now. Raises Problem if the stream takes nothing."""
        if resources.pressure.trouble:
            raise unavailable(resources.pressure.trouble)
        terms = Terms(
            received_us=now_us(),
            future_bound_us=resources.future_bound_us,
            random_bits=random.getrandbits(74),
            site_id=sender.site_id,
            user_agent=sender.user_agent,
            address=sender.address,
            privacy=resources.privacy,
        )
        return cls(resources, sender, terms, source)

    def admit(self, events: int) -> dict[str, str]:
        """Count that many events, at least one, against the limits; headers that tell what is left. Raises Problem."""
        sender = self.sender
        return self.resources.limits.take(
            max(1, events), key_id=sender.key_id, address=sender.address, now_s=time.monotonic()
        )

    async def store(self, found: Sorted) -> Placed:
        """Returns when the clicks, and what was refused, are in the streams: where the clicks are. Raises Problem."""
        placed = NOWHERE
        rejected = [self._rejected_event(rejection) for rejection in found.rejected]
        try:
            async with asyncio.timeout(STORED_WITHIN_S):
                if rejected:
                    await self.resources.publisher.reject(rejected)
                if found.clicks:
                    placed = await self.resources.lingering.publish(found.clicks)
        except (RedisError, OSError, TimeoutError) as error:
            raise unavailable("the stream cannot take events now") from error
        EVENTS_ACCEPTED.inc(len(found.clicks))
        for rejection in found.rejected:
            EVENTS_REJECTED.labels(rejection.code).inc()
        return placed

    async def refuse(self, error: RejectedInput, body: bytes) -> Problem:
        """A body of which nothing can be used is kept as one rejected event; the problem to raise."""
        self.admit(1)
        await self.store(Sorted(rejected=[Rejection(0, error.code, str(error), body)]))
        return Problem(413 if error.code == "too_many_events" else 400, str(error), code=error.code)

    def _rejected_event(self, rejection: Rejection) -> RejectedEvent:
        return RejectedEvent(
            rejected_us=self.terms.received_us,
            source=self.source,
            code=rejection.code,
            message=rejection.message,
            payload=rejection.payload[:MAX_PAYLOAD],
            site_id=self.sender.site_id or DEFAULT_SITE,
        )


def unavailable(reason: str) -> Problem:
    """To a client that is to send the same again."""
    return Problem(503, f"{reason}; send them again", headers={"Retry-After": RETRY_AFTER_S})
