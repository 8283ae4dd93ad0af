"""Streams round and round, and a wait when there is nothing to do or a store is away."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

import psycopg
import structlog
from psycopg.errors import IdleInTransactionSessionTimeout, ReadOnlySqlTransaction, UndefinedColumn, UndefinedTable
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError

from clickloom.errors import ServerUnavailable
from services.persister.reader import StreamReader

log = structlog.get_logger()

CHECK_S = 10.0  # how often is looked whether Redis was rolled back
LONGEST_WAIT_S = 10.0
STORE_AWAY = (
    psycopg.OperationalError,
    IdleInTransactionSessionTimeout,  # we have been paused
    ReadOnlySqlTransaction,  # the server has become a standby
    PoolTimeout,
    RedisError,
)


async def serve_share(readers: Sequence[StreamReader], stop: asyncio.Event, *, pause_s: float) -> None:
    """Step through the streams until told to stop; with capped backoff while a store is away.

    Raises ServerUnavailable if the database has another schema than this software needs, and UnknownVersion.
    """
    failures, check_at = 0, 0.0
    while not stop.is_set():
        try:
            if time.monotonic() >= check_at:
                await _check(readers)
                check_at = time.monotonic() + CHECK_S
            more = [await reader.step() for reader in readers]
        except (UndefinedTable, UndefinedColumn) as error:
            reason = f"the database's schema is not this version's ({error.diag.message_primary})"
            raise ServerUnavailable(f"{reason}: run `clickloom migrate`") from error
        except STORE_AWAY as error:
            failures += 1
            log.warning("store.away", reason=str(error).strip(), failures=failures)
            await _wait(stop, min(LONGEST_WAIT_S, 0.1 * 2**failures))
            continue
        if failures:
            log.info("store.back")
            failures = 0
        if not any(more):
            await _wait(stop, pause_s)


async def _check(readers: Sequence[StreamReader]) -> None:
    for reader in readers:
        await reader.check()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), timeout=seconds)
