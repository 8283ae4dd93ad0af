"""`clickloom score`: reads the truth and what the pipeline made, and shows how they agree."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg.rows import class_row
from rich.console import Console
from rich.table import Table

from clickloom.database import libpq_url
from clickloom.errors import InvalidSetting, ServerUnavailable
from clickloom.times import parse_time, to_datetime
from services.cli.source import open_source
from services.cli.verdict import Refused, Score, compare
from services.generator.truth import Truth, Visit, read_truth

VERDICTS = ("changed", "split", "joined", "missing", "extra")
POLL_S = 1.0

T = TypeVar("T")


class _SessionLine(Visit, frozen=True, kw_only=True):
    """A line of `clickloom sessionize`."""

    op: str | None = None  # of a changelog


class _LateLine(msgspec.Struct, kw_only=True):
    """A late click as it came."""

    event_id: str
    user_id: str | int
    device_id: str
    client_timestamp: str | int


def read_whole_truth(file: str) -> Truth:
    """Raises InvalidSetting."""
    with open_source(file) as lines:
        return read_truth(lines)


def score_files(truth: Truth, sessions: str, late: str | None) -> Score:
    """Against JSON lines as `clickloom sessionize` writes them. Raises InvalidSetting."""
    refused = None if late is None else [_refused(line) for line in _read(late, _LateLine)]
    made = list(_read(sessions, _SessionLine))
    if any(visit.op for visit in made):
        raise InvalidSetting(f"{sessions} is a changelog: write it with `clickloom sessionize --emit final`")
    return compare(truth, made, refused)


def _read(file: str, kind: type[T]) -> Iterator[T]:
    decode = msgspec.json.Decoder(kind).decode
    with open_source(file) as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise InvalidSetting(f"{file}, line {number}: {error}") from error


def _refused(line: _LateLine) -> Refused:
    return Refused(line.event_id, str(line.user_id), line.device_id, to_datetime(parse_time(line.client_timestamp)))


def score_database(truth: Truth, database_url: str, *, wait_s: float) -> Score:
    """Against the tables, read again until all agrees or `wait_s` have passed. Raises ServerUnavailable."""
    deadline = time.monotonic() + wait_s
    try:
        with psycopg.connect(
            libpq_url(database_url, application_name="clickloom-score"), autocommit=True
        ) as connection:
            while True:
                last = time.monotonic() >= deadline
                if last or _all_there(connection, truth):
                    score = compare(truth, _sessions(connection, truth), _late(connection, truth))
                    if last or score.perfect:
                        return score
                time.sleep(POLL_S)
    except psycopg.OperationalError as error:
        raise ServerUnavailable(f"PostgreSQL does not answer: {error}; is DATABASE_URL right?") from error


def _scope(truth: Truth) -> dict[str, Any]:
    """What of the tables the truth is about: its site and window, from its first event to a gap after its last."""
    run = truth.run
    first: datetime = min([run.start, *(late.client_timestamp for late in truth.late)])
    last: datetime = max([run.start, *(session.end_session for session in truth.sessions)])
    until = last + timedelta(microseconds=run.gap_us)
    return {"window": run.window, "site": run.site_id, "first": first, "until": until}


_SESSIONS = """
FROM sessions WHERE "window" = %(window)s AND site_id = %(site)s AND begin_session BETWEEN %(first)s AND %(until)s
"""
_LATE = """
FROM late_clicks WHERE "window" = %(window)s AND site_id = %(site)s AND client_timestamp BETWEEN %(first)s AND %(until)s
"""


def _all_there(connection: psycopg.Connection[Any], truth: Truth) -> bool:
    """Whether there is as much as there should be: a cheap look before all of it is read."""
    scope = _scope(truth)
    sessions = connection.execute("SELECT count(*), coalesce(sum(events), 0)" + _SESSIONS, scope).fetchone()
    late = connection.execute("SELECT count(DISTINCT event_id)" + _LATE, scope).fetchone()
    events = sum(session.events for session in truth.sessions)
    return sessions == (len(truth.sessions), events) and late == (len(truth.late),)


def _sessions(connection: psycopg.Connection[Any], truth: Truth) -> list[Visit]:
    names = ", ".join(Visit.__struct_fields__)
    with connection.cursor(row_factory=class_row(Visit)) as cursor:
        return cursor.execute(f"SELECT {names} {_SESSIONS}", _scope(truth)).fetchall()


def _late(connection: psycopg.Connection[Any], truth: Truth) -> list[Refused]:
    names = ", ".join(Refused._fields)
    with connection.cursor(row_factory=class_row(Refused)) as cursor:
        return cursor.execute(f"SELECT {names} {_LATE}", _scope(truth)).fetchall()


def print_score(score: Score) -> None:
    """A table on standard output, and the first of what deviates."""
    console = Console(highlight=False)
    table = Table("sessions", "", "%", title="made of generated traffic")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, count in [("true", score.true_sessions), ("made", score.made_sessions), ("exact", score.exact)]:
        table.add_row(name, f"{count:,}", _percent(count, score.true_sessions), end_section=name == "exact")
    for name in VERDICTS:
        table.add_row(name, f"{score.found[name]:,}", _percent(score.found[name], score.true_sessions))
    table.add_section()
    table.add_row("unexplained", f"{score.unexplained:,}", "")
    found = "not told" if score.late_found is None else f"{score.late_found:,} of {score.true_late:,}"
    table.add_row("late clicks found", found, "")
    table.add_row("late though in time", f"{score.late_unknown:,}", "")
    console.print(table)
    for example in score.examples:
        console.print(f"  {example}", markup=False, soft_wrap=True)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.3f}" if whole else ""
