"""Steps again and again, and a wait when there is nothing to do or a store is away."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import psycopg
import structlog
from psycopg.errors import UndefinedColumn, UndefinedTable
from redis.exceptions import RedisError

from clickloom.duties import Duties
from clickloom.errors import ServerUnavailable
from clickloom.metrics import STORE_FAILURES

log = structlog.get_logger()

LONGEST_WAIT_S = 10.0


async def repeat(
    step: Callable[[], Awaitable[bool]], stop: asyncio.Event, *, pause_s: float, duties: Duties, duty: str
) -> None:
    """Until told to stop; a step says whether there is more to do at once. With capped backoff while a store is away.

    duty: the name under which `duties` are told.

    Raises ServerUnavailable if the database has another schema than this software needs, and UnknownVersion.
    """
    duties.expect(duty, time.monotonic())
    failures = 0
    while not stop.is_set():
        try:
            more = await step()
        except (UndefinedTable, UndefinedColumn) as error:
            reason = f"the database's schema is not this version's ({error.diag.message_primary})"
            raise ServerUnavailable(f"{reason}: run `clickloom migrate`") from error
        except (psycopg.Error, RedisError) as error:
            failures += 1
            duties.waiting(duty, time.monotonic())
            STORE_FAILURES.labels("redis" if isinstance(error, RedisError) else "postgres").inc()
            log.warning("store.away", step=step.__qualname__, reason=" ".join(str(error).split()), failures=failures)
            await _wait(stop, min(LONGEST_WAIT_S, 0.1 * 2**failures))
            continue
        duties.done(duty, time.monotonic())
        if failures:
            log.info("store.back", step=step.__qualname__)
            failures = 0
        if not more:
            await _wait(stop, pause_s)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), timeout=seconds)
