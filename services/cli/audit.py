"""`clickloom ledger --every`: the ledger counted anew again and again, for Prometheus."""

import asyncio
import contextlib
import time
from functools import partial

import structlog

from clickloom.duties import Duties
from clickloom.errors import InvalidSetting, ServerUnavailable
from clickloom.lifecycle import run_service
from clickloom.metrics import LEDGER_COUNTED, LEDGER_DIFFERENCES, STORE_FAILURES
from clickloom.settings import Settings
from clickloom.times import SECOND_US
from clickloom.watch import watched
from services.cli.ledger import read

log = structlog.get_logger()

AGAIN_S = 10.0  # while a store is away
DUTY = "look at the ledger"  # whether it comes round; how long counting may take is a setting of the API's


def audit(every_us: int, *, window: str | None, site_id: str | None) -> None:
    """Until SIGTERM or Ctrl-C; what is found is in the metrics, and in the log if it does not balance."""
    run_service("ledger", partial(_serve, every_s=every_us / SECOND_US, window=window, site_id=site_id))


async def _serve(
    settings: Settings, stop: asyncio.Event, *, every_s: float, window: str | None, site_id: str | None
) -> None:
    duties = Duties()
    async with watched(duties, host=settings.host, port=settings.metrics_port):
        due_s = time.monotonic()
        while not stop.is_set():
            duties.done(DUTY, time.monotonic())
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + (every_s if await _count(settings, window, site_id) else AGAIN_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), timeout=min(AGAIN_S, every_s))


async def _count(settings: Settings, window: str | None, site_id: str | None) -> bool:
    """Whether it could be counted."""
    try:
        found = await read(settings, None, None, window=window, site_id=site_id, wait_s=0)
    except (ServerUnavailable, InvalidSetting) as error:  # the latter also if counting takes too long
        STORE_FAILURES.labels("postgres").inc()
        log.warning("ledger.not_counted", reason=str(error))
        return False
    differences = len(found.differences) + found.more_differences
    LEDGER_DIFFERENCES.set(differences)
    LEDGER_COUNTED.set_to_current_time()
    if differences:
        first = found.differences[0]
        log.error(
            "ledger.does_not_balance",
            differences=differences,
            sum=first.sum,
            minute=first.minute and first.minute.isoformat(),
            remedy="clickloom ledger",
        )
    return True
