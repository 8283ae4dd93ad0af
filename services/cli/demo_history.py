"""The demo's past: two weeks of visits, imported while the demo already runs. `python -m services.cli.demo_history`.

1. Before anything else runs, a database without a click gets a note in the data folder: up to when to make a past.
2. The past is generated into a file, from a fixed seed up to the noted moment: the same however often it is begun.
3. The visits that come over the streams, back-dated too, go on from that moment: wait until the watermark has left it
   behind, for until then the import takes nothing that is near.
4. Import the file as `clickloom import` does, and remove the note. A few visits that lie across that moment are left
   out, while their rows of a stagger window are open, which is for a minute on the clock.

A crash anywhere leaves the note: the next start does it again, and the import knows what is there.
"""

import os
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import psycopg
import structlog
import typer

from clickloom.database import libpq_url
from clickloom.errors import ClickloomError
from clickloom.keys import Keys
from clickloom.logs import configure_logs
from clickloom.settings import Settings, load_settings
from clickloom.times import DAY_US, from_datetime, iso, to_datetime
from services.cli.history.formats import FileFormat
from services.cli.history.mapping import Mapping
from services.generator.plan import Plan
from services.generator.shop import Habits
from services.generator.writing import write_lines

if TYPE_CHECKING:
    from services.cli.history.run import Report

log = structlog.get_logger()

NOTE = "demo-history.json"
DAYS = 14
SEED = 1
HABITS = Habits(users=4_000)  # who come back often enough that weeks later some still do
_NICENESS = 5  # what is live goes first
_SETTLED_AFTER_US = DAY_US // 8  # beyond the past's end: visits that reach over it have ended by then
_PATIENCE_S = 60.0
_LOOK_S = 0.5


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be made, as it is noted."""

    end: datetime
    days: int
    rate: float  # events a second of the live traffic, of which the past has a share

    @property
    def end_us(self) -> int:
        return from_datetime(self.end)

    @property
    def begin_us(self) -> int:
        return self.end_us - self.days * DAY_US


def note_past(database_url: str, folder: Path, *, end_us: int, days: int, rate: float) -> Path | None:
    """The note, where there is to be a past: one that was begun, or a new one if there is no click yet."""
    note = folder / NOTE
    if days and not note.exists() and _is_empty(database_url):
        note.write_bytes(msgspec.json.encode(Past(end=to_datetime(end_us), days=days, rate=rate)))
    return note if note.exists() else None


def _is_empty(database_url: str) -> bool:
    with psycopg.connect(libpq_url(database_url, application_name="clickloom-up")) as connection:
        row = connection.execute("SELECT EXISTS (SELECT FROM clicks)").fetchone()
    return row == (False,)


def make_past(note: Path, settings: Settings, *, patience_s: float = _PATIENCE_S) -> "Report":
    """Make what is noted. Raises ClickloomError, OSError."""
    from services.cli.history.run import Request, run  # which takes long to load

    past = msgspec.json.decode(note.read_bytes(), type=Past)
    log.info("history.begun", days=past.days, until=iso(past.end_us), remark="its visits appear as they are imported")
    file = note.with_suffix(".jsonl")
    _generate(past, file, settings)
    _await_streams(settings, past.end_us + _SETTLED_AFTER_US, patience_s)
    request = Request([(file.name, file)], FileFormat.jsonl, Mapping(), processes=1, folder=note.parent)
    report = run(request, settings, _quiet)
    _tell(report)
    file.unlink()
    if not report.loaded.live:
        note.unlink()
    return report


def _generate(past: Past, file: Path, settings: Settings) -> None:
    plan = Plan(seed=SEED, rate=past.rate, habits=HABITS)
    slots = plan.past_slots(past.begin_us).until(past.end_us)
    with file.open("wb") as output:
        write_lines(output, plan.arrivals(settings, _untold), slots, tell=_untold)


def _await_streams(settings: Settings, moment_us: int, patience_s: float) -> None:
    """Until Postgres has what the streams brought up to that moment; not for ever, for the import sees for itself."""
    keys, windows = Keys(settings.namespace), settings.parsed_windows()
    changelogs = [keys.sessions(window.name, number) for window in windows for number in range(settings.partitions)]
    query = "SELECT min(watermark) FROM stream_cursors WHERE stream = ANY(%s)"
    deadline = time.monotonic() + patience_s
    with psycopg.connect(libpq_url(settings.database_url, application_name="clickloom-history")) as connection:
        connection.autocommit = True
        while time.monotonic() < deadline:
            row = connection.execute(query, [changelogs]).fetchone()
            if row and row[0] and from_datetime(row[0]) >= moment_us:
                return
            time.sleep(_LOOK_S)


def _tell(report: "Report") -> None:
    made = {f"sessions_{window}": count for window, count in report.loaded.made.items()}
    log.info("history.imported", clicks=report.loaded.new, **made, seconds=round(report.seconds, 1))
    found = report.loaded
    if found.left:
        remedy = "the next start imports those that live traffic can still change" if found.live else "none is needed"
        log.info("history.left_out", live=found.live, beyond=found.beyond, parted=found.parted, remedy=remedy)


def _untold(_: object) -> None:
    """Nobody asks for the truth about the demo."""


def _quiet(_step: str, _done: int, _total: int) -> None:
    """The log says when it has begun and ended."""


def main(note: Annotated[Path, typer.Argument(help="that `clickloom up --demo` left")]) -> None:
    settings = load_settings()
    configure_logs(log_format=settings.log_format, log_level=settings.log_level, service="history")
    os.nice(_NICENESS)
    try:
        make_past(note, settings)
    except (ClickloomError, OSError, psycopg.Error) as error:
        log.error("history.failed", reason=" ".join(str(error).split()), remedy="the next start begins it again")
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
