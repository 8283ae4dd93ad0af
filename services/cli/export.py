"""`clickloom export`: hours of a table into files, each hour one file that is the same whenever it is written."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
from rich.console import Console

from clickloom.database import libpq_url
from clickloom.errors import InvalidInput, InvalidSetting, ServerUnavailable
from clickloom.lake.columns import LAKE_TABLES, Format
from clickloom.lake.files import Written, write_hours, writer_of
from clickloom.lake.hours import floor_hour, rows_of, stretches
from clickloom.lake.places import Place, place_of
from clickloom.settings import Settings

# One snapshot for all hours: what is written meanwhile is in none of them.
_SNAPSHOT = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


SESSION_SETTINGS = {"TimeZone": "UTC", "DateStyle": "ISO"}


def check_span(begin: datetime | None, end: datetime | None) -> None:
    """Raises InvalidInput: a file is always of a whole hour, so that one written again takes its own place."""
    for name, moment in (("--from", begin), ("--to", end)):
        if moment is not None and moment != floor_hour(moment):
            whole = floor_hour(moment).strftime("%Y-%m-%dT%H:00:00Z")
            raise InvalidInput(f"{name} must be a whole hour, for each file is one: write {whole}")
    if begin is not None and end is not None and begin >= end:
        raise InvalidInput("--from must be before --to")


def export(
    settings: Settings, place: str, *, table: str, form: Format, begin: datetime | None, end: datetime | None
) -> Iterator[Written]:
    """Write the hours from `begin` and before `end`; without an end those that are over. Each file as it is done.

    Raises InvalidInput, InvalidSetting, ServerUnavailable.
    """
    check_span(begin, end)
    target = _place(settings, place)
    try:
        url = libpq_url(settings.database_url, application_name="clickloom-export", session=SESSION_SETTINGS)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_SNAPSHOT)
            yield from _write(connection, target, table=table, form=form, begin=begin, end=end or _this_hour())
    except psycopg.errors.UndefinedTable as error:
        raise ServerUnavailable("the database has no such table: run `clickloom migrate`") from error
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise ServerUnavailable(f"the PostgreSQL of DATABASE_URL does not answer: {reason}") from error


def _place(settings: Settings, place: str) -> Place:
    target = place_of(place)
    if settings.archive_url and place_of(settings.archive_url).url == target.url:
        raise InvalidSetting(f"{target.url} is ARCHIVE_URL: its rows would be there twice; export to another place")
    return target


def _write(
    connection: "psycopg.Connection[tuple[Any, ...]]",
    place: Place,
    *,
    table: str,
    form: Format,
    begin: datetime | None,
    end: datetime,
) -> Iterator[Written]:
    found = LAKE_TABLES[table]
    columns = found.columns
    writer = writer_of(form, columns)
    for stretch in stretches(connection, found, begin, end):
        rows = rows_of(connection, found, stretch, form, columns=columns)
        yield from write_hours(rows, writer, place, table=table, name=f"{table}.{form}")


def _this_hour() -> datetime:
    return floor_hour(datetime.now(UTC))


def print_written(files: Iterator[Written], console: Console) -> None:
    """A line a file, as it is done, and the sum."""
    count = rows = 0
    for file in files:
        console.print(f"{file.path}  {file.rows:,} rows", markup=False)
        count, rows = count + 1, rows + file.rows
    console.print(f"{rows:,} rows in {count:,} files" if count else "there are no rows in this time", markup=False)
