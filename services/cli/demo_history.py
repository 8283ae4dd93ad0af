"""The demo's past: two weeks of visits, imported while the demo already runs. `python -m services.cli.demo_history`.

1. Before anything else runs, a database without a click gets a note in the data folder: up to when to make a past.
2. The past is generated into a file, from a fixed seed up to the noted moment: the same however often it is begun.
3. The visits that come over the streams, back-dated too, go on from that moment: wait until they are in Postgres.
4. Import the file as `clickloom import` does, and remove the note.

A crash anywhere leaves the note: the next start does it again, and the import knows what is there.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psycopg
import structlog
import typer

from clickloom.connect import libpq_url
from clickloom.errors import ClickloomError
from clickloom.keys import Keys
from clickloom.logs import configure_logs
from clickloom.settings import Settings, load_settings
from clickloom.times import DAY_US, from_datetime, iso, parse_time
from services.cli.history.intake import FileFormat
from services.cli.history.mapping import Mapping
from services.cli.history.run import Report, Request, run
from services.generator.plan import Plan
from services.generator.shop import Habits
from services.generator.writing import write_lines

log = structlog.get_logger()

NOTE = "demo-history"
DAYS = 14
SEED = 1
HABITS = Habits(users=4_000)  # who come back often enough that weeks later some still do
_NICENESS = 5  # what is live goes first
_SETTLED_AFTER_US = DAY_US // 8  # beyond the past's end: visits that reach over it have ended by then
_PATIENCE_S = 60.0
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Past:
    """What is to be made."""

    note: Path
    end_us: int
    rate: float  # events a second of the live traffic, of which the past has a share

    @property
    def plan(self) -> Plan:
        return Plan(seed=SEED, rate=self.rate, habits=HABITS)

    @property
    def file(self) -> Path:
        return self.note.with_suffix(".jsonl")


def note_past(database_url: str, folder: Path, *, end_us: int) -> Path | None:
    """The note, where there is to be a past: one that was begun, or a new one if there is no click yet."""
    note = folder / NOTE
    if not note.exists() and _is_empty(database_url):
        note.write_text(iso(end_us))
    return note if note.exists() else None


def _is_empty(database_url: str) -> bool:
    with psycopg.connect(libpq_url(database_url, application_name="clickloom-up")) as connection:
        row = connection.execute("SELECT EXISTS (SELECT FROM clicks)").fetchone()
    return row == (False,)


def make_past(past: Past, settings: Settings) -> None:
    """Raises ClickloomError, OSError."""
    begin_us = past.end_us - DAYS * DAY_US
    log.info("history.begun", days=DAYS, until=iso(past.end_us), remark="its visits appear as they are imported")
    slots = past.plan.past_slots(begin_us).until(past.end_us)
    with past.file.open("wb") as output:
        write_lines(output, past.plan.arrivals(settings, _untold), slots, tell=_untold)
    _await_streams(settings, past.end_us + _SETTLED_AFTER_US)
    files, folder = [(past.file.name, past.file)], past.note.parent
    report = run(Request(files, FileFormat.jsonl, Mapping(), processes=1, folder=folder), settings, _quiet)
    _tell(report)
    past.file.unlink()
    if not report.loaded.left:
        past.note.unlink()


def _await_streams(settings: Settings, moment_us: int) -> None:
    """Until Postgres has what the streams brought up to that moment; not for ever, for the import sees for itself."""
    keys, windows = Keys(settings.namespace), settings.parsed_windows()
    changelogs = [keys.sessions(window.name, number) for window in windows for number in range(settings.partitions)]
    query = "SELECT min(watermark) FROM stream_cursors WHERE stream = ANY(%s)"
    deadline = time.monotonic() + _PATIENCE_S
    with psycopg.connect(libpq_url(settings.database_url, application_name="clickloom-history")) as connection:
        connection.autocommit = True
        while time.monotonic() < deadline:
            row = connection.execute(query, [changelogs]).fetchone()
            if row and row[0] and from_datetime(row[0]) >= moment_us:
                return
            time.sleep(_LOOK_S)


def _tell(report: Report) -> None:
    made = {f"sessions_{window}": count for window, count in report.loaded.made.items()}
    log.info("history.imported", clicks=report.loaded.new, **made, seconds=round(report.seconds, 1))
    if report.loaded.left:
        log.info("history.partly", left_out=report.loaded.left, remedy="the next start imports the rest")


def _untold(_: object) -> None:
    """Nobody asks for the truth about the demo."""


def _quiet(_step: str, _done: int, _total: int) -> None:
    """The log says when it has begun and ended."""


def main(
    note: Annotated[Path, typer.Argument(help="that `clickloom up --demo` left")],
    rate: Annotated[float, typer.Option(help="events a second of the live traffic")],
) -> None:
    settings = load_settings()
    configure_logs(log_format=settings.log_format, log_level=settings.log_level, service="history")
    os.nice(_NICENESS)
    try:
        make_past(Past(note, parse_time(note.read_text()), rate), settings)
    except (ClickloomError, OSError, psycopg.Error) as error:
        log.error("history.failed", reason=" ".join(str(error).split()), remedy="the next start begins it again")
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
