"""`clickloom check rollups`, as a table."""

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from clickloom.database import libpq_url
from clickloom.errors import ServerUnavailable
from clickloom.settings import Settings
from services.persister.day_check import DaysCheck, check_days
from services.persister.recount import SUMS, Check, Difference, check_rollups


def read(settings: Settings) -> tuple[Check, DaysCheck]:
    """Raises ServerUnavailable."""
    try:
        with psycopg.connect(libpq_url(settings.database_url, application_name="clickloom-check")) as connection:
            return check_rollups(connection), check_days(connection)
    except psycopg.errors.UndefinedTable as error:
        raise ServerUnavailable("the database's schema is not this version's: run `clickloom migrate`") from error
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise ServerUnavailable(f"the PostgreSQL of DATABASE_URL does not answer: {reason}") from error


def print_check(found: Check) -> None:
    """On standard output: what was counted, and what differs."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{found.places:,} rollups of {found.sessions:,} sessions")
    if not found.different:
        console.print("each is what a recount of sessions gives")
        return
    table = Table("window", "bucket", "site", "device type", "begin", "sum", "kept", "recounted")
    for difference in found.differences:
        for row in _rows(difference):
            table.add_row(*row)
    console.print(table)
    console.print(f"{found.different:,} are not what a recount of sessions gives", markup=False)
    if found.different > len(found.differences):
        console.print(f"the first {len(found.differences)} are shown")


def print_days(found: DaysCheck) -> None:
    """On standard output: how many days are counted, and which differ."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"breakdowns of {found.counted:,} days")
    if not found.different:
        console.print("each is what a recount of sessions gives")
    for day in found.different:
        console.print(f"not so: {day.day} of {day.site_id}, {day.window}", markup=False)


def _rows(difference: Difference) -> Iterator[list[str]]:
    window, bucket, *names = difference.place
    for name, kept, recounted in zip(SUMS, difference.kept, difference.recounted, strict=True):
        if kept != recounted:
            place = [window, f"{bucket.astimezone(UTC):%Y-%m-%d %H:%M}", *names]
            yield [*place, name, _shown(kept), _shown(recounted)]


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
