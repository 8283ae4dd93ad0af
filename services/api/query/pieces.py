"""From which table each piece of a question's time is read. Pure.

Whole days that are counted from `breakdowns`, if these keep what the question asks for; what is left from
`session_rollups`, if these suffice, and else from `sessions`. The numbers are the same, whatever is read.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from clickloom.breakdowns import EXPERIMENT, KEPT, TOTAL
from services.api.query.date_ranges import Stretch
from services.api.query.filters import fields_of
from services.api.query.question import Question

Source = Literal["sessions", "rollups", "hours", "days"]

_BUCKET_S, _HOUR_S = 300, 3_600
_IN_ROLLUPS = {"site_id", "device_type", "begin_navigation"}
_BESIDE = {"site_id", "device_type"}  # that every breakdown tells
MOST_PIECES = 40  # beyond that reading all from one table is quicker than putting them together


@dataclass(frozen=True, slots=True)
class Piece:
    """[begin, end) in UTC, read from one table."""

    source: Source
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The breakdown that has what a question asks for, and which of its buckets fit the question's time."""

    dimension: str
    hours: bool
    days: bool


def breakdown_of(question: Question) -> Breakdown | None:
    """None if none has it."""
    shown = {field.name for field in question.fields}
    others = (shown | fields_of(question.filter)) - _BESIDE
    if len(others) > 1:
        return None
    dimension = next(iter(others), TOTAL)
    # Of sessions without an experiment its breakdown does not tell: it serves only where they are none of the groups.
    if not (dimension in (TOTAL, *KEPT) or (dimension.startswith(EXPERIMENT) and dimension in shown)):
        return None
    unit, offsets = question.unit, _offsets(question)
    by_days = unit is None or (unit in ("day", "week", "month") and offsets == {0})
    by_hours = dimension == TOTAL and unit != "minute" and all(offset % _HOUR_S == 0 for offset in offsets)
    return Breakdown(dimension, by_hours or (dimension == TOTAL and unit is None), by_days)


def _offsets(question: Question) -> set[int]:
    """From UTC, in seconds, at the days of the question's time."""
    begin, end = question.stretch.begin.astimezone(UTC), question.stretch.end.astimezone(UTC)
    days = ((end - begin) // timedelta(days=1)) + 1
    moments = [begin + timedelta(days=day) for day in range(days)] + [end]
    return {int(_offset(moment.astimezone(question.zone)).total_seconds()) for moment in moments}


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()


def pieces_of(question: Question, breakdown: Breakdown | None, uncounted: Collection[date] = ()) -> list[Piece]:
    """In the order of time; `uncounted` are the days of which the breakdown does not hold."""
    rest = _rest(question)
    begin, end = (moment.astimezone(UTC) for moment in (question.stretch.begin, question.stretch.end))
    if breakdown is None:
        return list(_joined(_left(rest, begin, end)))
    found: list[Piece] = []
    for first, last, day in _days(begin, end):
        found += _left(rest, first, last) if day in uncounted else _kept(breakdown, rest, first, last)
    pieces = list(_joined(found))
    return pieces if len(pieces) <= MOST_PIECES else list(_joined(_left(rest, begin, end)))


def _rest(question: Question) -> Source:
    """What is read where there is no breakdown. Rollups do not tell currencies."""
    asked = {field.name for field in question.fields} | fields_of(question.filter)
    fits = question.unit is None or (
        question.unit != "minute" and all(offset % _BUCKET_S == 0 for offset in _offsets(question))
    )
    money = any(metric.is_money for metric in question.metrics)
    return "rollups" if asked <= _IN_ROLLUPS and fits and not money else "sessions"


def _days(begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, date]]:
    """The parts of the days (UTC) that a time has."""
    while begin < end:
        day = begin.date()
        following = datetime.combine(day + timedelta(days=1), time(), UTC)
        yield begin, min(end, following), day
        begin = following


def _kept(breakdown: Breakdown, rest: Source, begin: datetime, end: datetime) -> Iterator[Piece]:
    """Of one day that is counted."""
    if breakdown.days and end - begin == timedelta(days=1):
        yield Piece("days", begin, end)
    elif breakdown.hours:
        yield from _inside("hours", _HOUR_S, rest, begin, end)
    else:
        yield from _left(rest, begin, end)


def _left(rest: Source, begin: datetime, end: datetime) -> Iterator[Piece]:
    if rest == "rollups":
        yield from _inside("rollups", _BUCKET_S, "sessions", begin, end)
    else:
        yield Piece(rest, begin, end)


def _inside(source: Source, bucket_s: int, rest: Source, begin: datetime, end: datetime) -> Iterator[Piece]:
    """Whole buckets, and what is left at the ends."""
    first, last = _up(begin, bucket_s), _down(end, bucket_s)
    if first >= last:
        yield Piece("sessions", begin, end)
        return
    for piece in (Piece(rest, begin, first), Piece(source, first, last), Piece(rest, last, end)):
        if piece.begin < piece.end:
            yield from _left(rest, piece.begin, piece.end) if piece.source == rest == "rollups" else (piece,)


def _down(moment: datetime, bucket_s: int) -> datetime:
    whole = moment.timestamp() // bucket_s * bucket_s
    return datetime.fromtimestamp(whole, UTC)


def _up(moment: datetime, bucket_s: int) -> datetime:
    return _down(moment + timedelta(seconds=bucket_s, microseconds=-1), bucket_s)


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Neighbours of one source as one."""
    before: Piece | None = None
    for piece in pieces:
        if before and before.source == piece.source and before.end == piece.begin:
            before = Piece(piece.source, before.begin, piece.end)
            continue
        if before:
            yield before
        before = piece
    if before:
        yield before


def of_visitors(pieces: Iterable[Piece]) -> list[Piece]:
    """The same without rollups, which do not tell them."""
    return list(_joined(replace(one, source="sessions") if one.source == "rollups" else one for one in pieces))


def whole(stretch: Stretch) -> Piece:
    """All from sessions."""
    return Piece("sessions", stretch.begin.astimezone(UTC), stretch.end.astimezone(UTC))
