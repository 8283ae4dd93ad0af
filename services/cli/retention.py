"""`clickloom retention`: drop what is older than it should be, or only show it."""

import asyncio
from datetime import UTC, datetime

import psycopg
from rich.console import Console
from rich.table import Table

from clickloom.database import libpq_url
from clickloom.errors import ServerUnavailable
from clickloom.settings import Settings
from services.persister.retention import Expired, Retention, drop_expired, expired


def apply(settings: Settings, *, dry_run: bool) -> list[Expired]:
    """What was dropped, or would be. Raises ServerUnavailable."""
    try:
        return asyncio.run(_apply(settings, dry_run))
    except psycopg.errors.UndefinedTable as error:
        raise ServerUnavailable("the database's schema is not this version's: run `clickloom migrate`") from error
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise ServerUnavailable(f"the PostgreSQL of DATABASE_URL does not answer: {reason}") from error


async def _apply(settings: Settings, dry_run: bool) -> list[Expired]:
    retention, today = Retention(settings.retention_days()), datetime.now(UTC).date()
    url = libpq_url(settings.database_url, application_name="clickloom-retention")
    async with await psycopg.AsyncConnection.connect(url, application_name="clickloom-retention") as connection:
        return await (expired if dry_run else drop_expired)(connection, retention, today)


def print_retention(settings: Settings, found: list[Expired], *, dry_run: bool) -> None:
    """On standard output: what is kept, and what was dropped."""
    console = Console(highlight=False, soft_wrap=True)
    days = settings.retention_days()
    kept = ", ".join(f"{table} {count} days" for table, count in days.items()) or "everything for ever"
    console.print(f"kept: {kept}")
    if not found:
        console.print("nothing is older")
        return
    table = Table("table", "would be dropped" if dry_run else "dropped", "older than", "MB")
    table.columns[3].justify = "right"
    for one in found:
        what = one.name if one.is_partition else f"rows of {one.name}"
        table.add_row(one.table, what, one.until.isoformat(), f"{one.size / 1e6:,.1f}" if one.is_partition else "")
    console.print(table)
