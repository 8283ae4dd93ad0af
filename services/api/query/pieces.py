"""From which table each piece of a question's time is read. Pure.

Whole days that are counted from `breakdowns`, if these keep what the question asks for; what is left from
`session_rollups`, if these suffice, and else from `sessions`. The numbers are the same, whatever is read.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from clickloom.breakdowns import EXPERIMENT, KEPT, TOTAL
from services.api.query.date_ranges import Stretch
from services.api.query.filters import fields_of
from services.api.query.question import Question

Source = Literal["sessions", "rollups", "hours", "days"]
Level = tuple[Source, int]  # a table, and how many seconds its buckets are long; the longest come first

_DAYS: Level = ("days", 86_400)
_HOURS: Level = ("hours", 3_600)
_ROLLUPS: Level = ("rollups", 300)
_IN_ROLLUPS = {"site_id", "device_type", "begin_navigation"}
_BESIDE = {"site_id", "device_type"}  # that every breakdown tells
MOST_PIECES = 250  # beyond that reading all from one table is quicker than putting them together
_MOST_TORN = 120  # days, as many as there are weeks or months: each makes two pieces more


@dataclass(frozen=True, slots=True)
class Piece:
    """[begin, end) in UTC, read from one table."""

    source: Source
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The breakdown that has what a question asks for, and those of its buckets that fit the question's."""

    dimension: str
    levels: tuple[Level, ...]


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
    levels: list[Level] = []
    if unit is None or (unit in ("day", "week", "month") and offsets == {0}) or _tears_few(question):
        levels.append(_DAYS)
    if dimension == TOTAL and (unit is None or _fits(_HOURS, question, offsets)):
        levels.append(_HOURS)
    return Breakdown(dimension, tuple(levels))


def _offsets(question: Question) -> set[int]:
    """From UTC, in seconds, of the question's time: no zone changes them for less than a week."""
    begin, end = question.stretch.begin.astimezone(UTC), question.stretch.end.astimezone(UTC)
    weeks = ((end - begin) // timedelta(weeks=1)) + 1
    moments = [begin + timedelta(weeks=week) for week in range(weeks)] + [end]
    return {round((moment.astimezone(question.zone).utcoffset() or timedelta()).total_seconds()) for moment in moments}


def _fits(level: Level, question: Question, offsets: set[int]) -> bool:
    """Whether no bucket of the level goes over the edge of one of the question's."""
    return question.unit != "minute" and all(offset % level[1] == 0 for offset in offsets)


def pieces_of(question: Question, breakdown: Breakdown | None, uncounted: Collection[date] = ()) -> list[Piece]:
    """In the order of time; `uncounted` are the days of which the breakdown does not hold."""
    begin, end = (moment.astimezone(UTC) for moment in (question.stretch.begin, question.stretch.end))
    rest = _rest(question)
    if breakdown is None:
        return list(_cut(rest, begin, end))
    of_others = (*breakdown.levels, *rest)
    finer = tuple(level for level in breakdown.levels if level != _DAYS)
    of_days = dict.fromkeys(_torn(question), (*finer, *rest))
    of_days |= dict.fromkeys(uncounted, rest)
    found: list[Piece] = []
    for day in sorted(of_days):
        midnight = datetime.combine(day, time(), UTC)
        first, following = (_within(begin, end, moment) for moment in (midnight, midnight + timedelta(days=1)))
        found += _cut(of_others, begin, first)
        found += _cut(of_days[day], first, following)
        begin = following
    found += _cut(of_others, begin, end)
    pieces = list(_joined(found))
    return pieces if len(pieces) <= MOST_PIECES else pieces_of(question, None)


def _tears_few(question: Question) -> bool:
    """Whether a chart by week or month has not too many for whole days between their ends."""
    days = {"week": 7, "month": 28}.get(question.unit or "", 0)
    return question.stretch.end - question.stretch.begin <= _MOST_TORN * timedelta(days=days)


def _torn(question: Question) -> Iterator[date]:
    """The days (UTC) in which one of the question's weeks or months ends, in its zone, and another begins."""
    if not _tears_few(question):  # read without days, or of UTC: there none is torn
        return
    begin, end = (moment.astimezone(UTC) for moment in (question.stretch.begin, question.stretch.end))
    for number in range((end.date() - begin.date()).days + 1):
        midnight = datetime.combine(begin.date() + timedelta(days=number), time(), UTC)
        ends = (midnight, midnight + timedelta(days=1, microseconds=-1))
        first, last = (moment.astimezone(question.zone).date() for moment in ends)
        if first != last and (last.day == 1 if question.unit == "month" else last.weekday() == 0):
            yield midnight.date()


def _rest(question: Question) -> tuple[Level, ...]:
    """What is read where there is no breakdown, before sessions. Rollups do not tell currencies."""
    asked = {field.name for field in question.fields} | fields_of(question.filter)
    fits = question.unit is None or _fits(_ROLLUPS, question, _offsets(question))
    money = any(metric.is_money for metric in question.metrics)
    return (_ROLLUPS,) if asked <= _IN_ROLLUPS and fits and not money else ()


def _cut(levels: Sequence[Level], begin: datetime, end: datetime) -> Iterator[Piece]:
    """Whole buckets from the first level, what is left at the ends from the next ones."""
    if begin >= end:
        return
    if not levels:
        yield Piece("sessions", begin, end)
        return
    (source, size_s), *finer = levels
    first, last = _floor(begin + timedelta(seconds=size_s, microseconds=-1), size_s), _floor(end, size_s)
    if first >= last:
        yield from _cut(finer, begin, end)
        return
    yield from _cut(finer, begin, first)
    yield Piece(source, first, last)
    yield from _cut(finer, last, end)


def _within(begin: datetime, end: datetime, moment: datetime) -> datetime:
    return max(begin, min(end, moment))


def _floor(moment: datetime, size_s: int) -> datetime:
    return datetime.fromtimestamp(moment.timestamp() // size_s * size_s, UTC)


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
