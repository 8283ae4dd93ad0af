"""`clickloom ledger`: whether every click that came in is where it should be, as a table."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.connect import open_redis
from clickloom.database import open_database
from clickloom.errors import InvalidSetting, ServerUnavailable
from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.times import from_datetime, iso
from services.api.balance import MEANINGS
from services.api.ledger import LONGEST, LedgerAnswer, WindowSums, read_ledger, span_of
from services.api.problems import Problem

POLL_S = 0.25
MINUTES = 60  # that `--json` lists
PARTS = {
    "clicks": "clicks read",
    "in_sessions": "  in sessions",
    "duplicates": "  duplicate",
    "late": "  late",
    "bots": "  bots",
    "ever_in_sessions": "in sessions, from the beginning",
    "closed_events": "  closed",
    "open_events": "  open",
}


async def read(
    settings: Settings,
    begin: datetime | None,
    end: datetime | None,
    *,
    window: str | None,
    site_id: str | None,
    wait_s: float,
) -> LedgerAnswer:
    """Read it until it is settled, or `wait_s` have passed. Raises InvalidSetting and ServerUnavailable."""
    known = [found.name for found in settings.parsed_windows()]
    if window not in (None, *known):
        raise InvalidSetting(f"{window!r} is not in WINDOWS; one of {', '.join(known)}")
    windows = known if window is None else [window]
    engine = open_database(settings.database_url, application_name="clickloom-ledger")
    try:
        async with open_redis(settings.redis_url) as redis:
            return await _read(engine, redis, settings, (begin, end, windows, site_id), time.monotonic() + wait_s)
    except Problem as problem:
        raise InvalidSetting(problem.detail) from problem
    except OperationalError as error:
        raise ServerUnavailable(f"PostgreSQL does not answer: {error.orig}; is DATABASE_URL right?") from error
    except ProgrammingError as error:
        raise ServerUnavailable("the database's schema is not this version's: run `clickloom migrate`") from error
    finally:
        await engine.dispose()


async def _read(
    engine: AsyncEngine,
    redis: Redis,
    settings: Settings,
    asked: tuple[datetime | None, datetime | None, list[str], str | None],
    deadline: float,
) -> LedgerAnswer:
    begin, end, windows, site_id = asked
    keys = Keys(settings.namespace)
    while True:
        now = datetime.now(UTC)
        until = end or now + timedelta(minutes=2)
        span = span_of(begin or until - LONGEST, until, windows, site_id, now=now)
        found = await read_ledger(engine, redis, keys, span, limit=MINUTES)
        if found.settled or time.monotonic() >= deadline:
            return found
        await asyncio.sleep(POLL_S)


def print_ledger(found: LedgerAnswer) -> None:
    """On standard output: the sums, and what does not balance."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"clicks that came in from {_moment(found.from_)} to {_moment(found.to)}")
    console.print(f"received {found.received:,} = rejected {found.rejected:,} + clicks {found.clicks:,}")
    console.print(_windows(found.windows))
    if found.differences:
        console.print(_differences(found))
        for name in dict.fromkeys(one.sum for one in found.differences):
            console.print(f"  {name}: {MEANINGS[name]}")
        if found.more_differences:
            console.print(f"  and {found.more_differences:,} differences more")
    console.print(_verdict(found))


def _windows(windows: Sequence[WindowSums]) -> Table:
    table = Table("", *(row.window for row in windows))
    for column in table.columns[1:]:
        column.justify = "right"
    for name, label in PARTS.items():
        counts = (f"{getattr(row, name):,}" for row in windows)
        table.add_row(label, *counts, end_section=name == "bots")
    return table


def _differences(found: LedgerAnswer) -> Table:
    table = Table("minute", "site", "window", "sum", "told", "found", "")
    table.columns[0].no_wrap = True
    for column in table.columns[4:]:
        column.justify = "right"
    for one in found.differences:
        where = (
            f"{one.minute:%Y-%m-%d %H:%M}" if one.minute else "from the beginning",
            one.site_id,
            one.window or "",
            one.sum,
        )
        table.add_row(*where, f"{one.told:,}", f"{one.found:,}", f"{one.found - one.told:+,}")
    return table


def _verdict(found: LedgerAnswer) -> str:
    verdict = "balanced" if found.balanced else "does not balance"
    rest = "everything is read and written" if found.settled else "some is on its way still, and left out"
    return f"{verdict}; {rest} (as of {_moment(found.as_of)})"


def _moment(moment: datetime) -> str:
    return iso(from_datetime(moment))
