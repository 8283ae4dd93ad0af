"""What every protocol does with a request: take it in, or say why not."""

import asyncio
import secrets

from redis.exceptions import RedisError

from clickloom.errors import RejectedInput
from clickloom.metrics import EVENTS_ACCEPTED, EVENTS_REJECTED
from clickloom.times import now_us
from clickloom.wire import MAX_PAYLOAD, RejectedEvent
from services.api.ingest.events import Rejection, Sorted, Terms
from services.api.problems import Problem
from services.api.resources import Resources

STORED_WITHIN_S = 5
RETRY_AFTER_S = "1"


def terms_of(resources: Resources) -> Terms:
    """For a request that comes now. Raises Problem if the stream takes nothing."""
    if resources.pressure.trouble:
        raise _unavailable(resources.pressure.trouble)
    return Terms(now_us(), resources.future_bound_us, secrets.randbits(74))


async def store(resources: Resources, found: Sorted, terms: Terms, *, source: str) -> None:
    """Returns when the clicks, and what was refused, are in the streams. Raises Problem."""
    rejected = [_rejected_event(rejection, terms.received_us, source) for rejection in found.rejected]
    try:
        async with asyncio.timeout(STORED_WITHIN_S):
            if rejected:
                await resources.publisher.reject(rejected)
            if found.clicks:
                await resources.lingering.publish(found.clicks)
    except (RedisError, OSError, TimeoutError) as error:
        raise _unavailable("the stream cannot take events now") from error
    EVENTS_ACCEPTED.inc(len(found.clicks))
    for rejection in found.rejected:
        EVENTS_REJECTED.labels(rejection.code).inc()


async def refuse(resources: Resources, error: RejectedInput, body: bytes, terms: Terms, *, source: str) -> Problem:
    """A body of which nothing can be used is kept as one rejected event; the problem to raise."""
    found = Sorted(rejected=[Rejection(0, error.code, str(error), body)])
    await store(resources, found, terms, source=source)
    return Problem(413 if error.code == "too_many_events" else 400, str(error), code=error.code)


def _unavailable(reason: str) -> Problem:
    return Problem(503, f"{reason}; send them again", headers={"Retry-After": RETRY_AFTER_S})


def _rejected_event(rejection: Rejection, received_us: int, source: str) -> RejectedEvent:
    return RejectedEvent(
        rejected_us=received_us,
        source=source,
        code=rejection.code,
        message=rejection.message,
        payload=rejection.payload[:MAX_PAYLOAD],
    )
