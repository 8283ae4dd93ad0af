"""Streams round and round, and a wait when there is nothing to do or a store is away."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg.errors import IdleInTransactionSessionTimeout, ReadOnlySqlTransaction, UndefinedColumn, UndefinedTable
from redis.exceptions import RedisError

from clickloom.duties import Duties
from clickloom.errors import ServerUnavailable
from clickloom.metrics import STORE_FAILURES
from services.persister.reader import StreamReader

log = structlog.get_logger()
T = TypeVar("T")

CHECK_S = 10.0  # how often is looked whether Redis was rolled back
LONGEST_WAIT_S = 10.0
STOP_WITHIN_S = 1.0  # that a step may take longer than we are to live; a store may be silent
STORE_AWAY = (
    psycopg.OperationalError,  # also a disk that is full, and a pool without a connection
    IdleInTransactionSessionTimeout,  # we have been paused
    ReadOnlySqlTransaction,  # the server has become a standby
    RedisError,
)


async def serve_share(
    readers: Sequence[StreamReader], stop: asyncio.Event, *, pause_s: float, duties: Duties, duty: str
) -> None:
    """Step through the streams until told to stop; with capped backoff while a store is away or refuses.

    Whatever Postgres refuses, but a value of a row, stops the stream where it stands: nothing is skipped, the step is
    done anew until it succeeds. A step that has not ended soon after the stop is cut off, as a kill would.

    duty: the name under which `duties` are told.

    Raises ServerUnavailable if the database has another schema than this software needs, and UnknownVersion.
    """
    duties.expect(duty, time.monotonic())
    failures, check_at = 0, 0.0
    while not stop.is_set():
        try:
            if time.monotonic() >= check_at:
                await _until_stopped(_check(readers), stop)
                check_at = time.monotonic() + CHECK_S
            more = await _until_stopped(_step(readers), stop)
        except (UndefinedTable, UndefinedColumn) as error:
            reason = f"the database's schema is not this version's ({error.diag.message_primary})"
            raise ServerUnavailable(f"{reason}: run `clickloom migrate`") from error
        except (psycopg.Error, RedisError) as error:
            failures += 1
            duties.waiting(duty, time.monotonic())
            _tell(error, failures)
            await _wait(stop, min(LONGEST_WAIT_S, 0.1 * 2**failures))
            continue
        duties.done(duty, time.monotonic())
        if failures:
            log.info("store.back")
            failures = 0
        if not more:
            await _wait(stop, pause_s)


def _tell(error: Exception, failures: int) -> None:
    reason = " ".join(str(error).split())
    STORE_FAILURES.labels("redis" if isinstance(error, RedisError) else "postgres").inc()
    if isinstance(error, STORE_AWAY):
        log.warning("store.away", reason=reason, failures=failures)
    else:
        log.error(
            "store.refuses", reason=reason, failures=failures, remedy="put it right; nothing is skipped meanwhile"
        )


async def _step(readers: Sequence[StreamReader]) -> bool:
    """Whether more can be written at once."""
    return any([await reader.step() for reader in readers])


async def _until_stopped(work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """Do it; None if it was cut off."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([task], timeout=STOP_WITHIN_S)
    finally:
        stopped.cancel()
        while not task.done():  # again and again: a cancellation can get lost in redis-py (Python 3.11)
            task.cancel()
            await asyncio.wait([task], timeout=STOP_WITHIN_S)
    return None if task.cancelled() else task.result()


async def _check(readers: Sequence[StreamReader]) -> None:
    for reader in readers:
        await reader.check()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), timeout=seconds)
