"""Asks Postgres for the numbers of a question, in one snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

from psycopg.errors import InvalidRegularExpression
from sqlalchemy import Select
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncConnection

from clickloom.breakdowns import TOTAL
from clickloom.durations import CLASSES
from clickloom.visitor_sketch import estimate
from services.api.problems import wrong_parameter
from services.api.query.metrics import METRICS, Group
from services.api.query.pieces import Breakdown, Piece, breakdown_of, of_visitors, pieces_of, whole
from services.api.query.question import MOST_GROUPS, Question
from services.api.query.statements import NAMES, classes_of, sketches_of, sums_of, uncounted_days, visitors_of

# Up to which visitors are counted one by one; a tenth if they have to be looked for among other sessions.
EXACT_SESSIONS = 50_000


@dataclass(slots=True)
class Numbers:
    """The groups in the question's order."""

    groups: list[Group]
    truncated: bool = False
    estimated: set[str] = field(default_factory=set)  # metrics


async def ask(connection: AsyncConnection, question: Question) -> Numbers:
    """Raises Problem: if a regular expression is none, or there are too many groups to put in order."""
    try:
        return await _ask(connection, question)
    except DataError as error:
        if isinstance(error.orig, InvalidRegularExpression):
            raise wrong_parameter("filters", str(error.orig).splitlines()[0]) from error
        raise


async def _ask(connection: AsyncConnection, question: Question) -> Numbers:
    breakdown = breakdown_of(question)
    uncounted = await _days(connection, question, breakdown) if breakdown else set()
    pieces = pieces_of(question, breakdown, uncounted)
    late = any(name in METRICS and METRICS[name].order is None for name, _ in question.order_by)
    asked = replace(question, order_by=(), limit=MOST_GROUPS) if late else question
    rows = await _rows(connection, sums_of(asked, pieces, breakdown))
    if late and len(rows) > MOST_GROUPS:
        told = (
            f"more than {MOST_GROUPS:,} groups: order by another metric, or ask for fewer dimensions or a shorter time"
        )
        raise wrong_parameter("order_by", told)
    groups = [_group(question, row) for row in rows]
    numbers = Numbers(groups[: asked.limit], len(groups) > asked.limit)
    if question.needs("classes"):
        kept = breakdown if breakdown and breakdown.dimension == TOTAL else None
        await _add_classes(connection, question, numbers, pieces if kept else pieces_of(question, None), kept)
    if question.needs("visitors"):
        await _add_visitors(connection, question, numbers, pieces, breakdown)
    return _in_order(numbers, question) if late else numbers


async def _rows(connection: AsyncConnection, statement: Select[Any]) -> Sequence[Any]:
    found: Sequence[Any] = (await connection.execute(statement)).all()
    return found


async def _days(connection: AsyncConnection, question: Question, breakdown: Breakdown) -> set[Any]:
    return {day for (day,) in await _rows(connection, uncounted_days(question, breakdown))}


def _group(question: Question, row: Sequence[Any]) -> Group:
    cut = len(question.dimensions)
    return Group(_labels(row[:cut]), dict(zip(NAMES, row[cut:], strict=True)))


def _labels(found: Sequence[Any]) -> tuple[Any, ...]:
    """Moments in UTC: in another zone Python takes the two hours of one name for the same."""
    return tuple(label.astimezone(UTC) if isinstance(label, datetime) else label for label in found)


async def _add_classes(
    connection: AsyncConnection,
    question: Question,
    numbers: Numbers,
    pieces: Sequence[Piece],
    breakdown: Breakdown | None,
) -> None:
    groups = {group.dimensions: group for group in numbers.groups}
    for group in numbers.groups:
        group.classes = [0] * CLASSES
    for *labels, number, sessions in await _rows(connection, classes_of(question, pieces, breakdown)):
        if (place := _labels(labels)) in groups:
            groups[place].classes[number - 1] = sessions


async def _add_visitors(
    connection: AsyncConnection,
    question: Question,
    numbers: Numbers,
    pieces: Sequence[Piece],
    breakdown: Breakdown | None,
) -> None:
    """Exact, unless there are many sessions and sketches of them."""
    groups = {group.dimensions: group for group in numbers.groups}
    few = EXACT_SESSIONS if breakdown and breakdown.dimension == TOTAL else EXACT_SESSIONS // 10
    many = numbers.truncated or sum(group.sessions for group in numbers.groups) > few
    if many and breakdown and any(one.source in ("hours", "days") for one in pieces):
        numbers.estimated.add("visitors")
        sketches: dict[tuple[Any, ...], list[bytes]] = {}
        for *labels, sketch in await _rows(
            connection, sketches_of(question, of_visitors(pieces), breakdown, list(groups))
        ):
            sketches.setdefault(_labels(labels), []).append(sketch)
        found = {labels: estimate(some) for labels, some in sketches.items()}
    else:
        rows = await _rows(connection, visitors_of(question, whole(question.stretch)))
        found = {_labels(labels): visitors for *labels, visitors in rows}
    for place, visitors in found.items():
        if place in groups:
            groups[place].visitors = min(visitors, groups[place].sessions)


def _in_order(numbers: Numbers, question: Question) -> Numbers:
    """As Postgres would have it: what there is no value of comes last."""
    groups = numbers.groups
    for name, descending in reversed(question.order_by):
        keyed = [(_key(question, name, group), group) for group in groups]
        there = sorted((pair for pair in keyed if pair[0] is not None), key=itemgetter(0), reverse=descending)
        groups = [group for _, group in (*there, *(pair for pair in keyed if pair[0] is None))]
    return Numbers(groups[: question.limit], len(groups) > question.limit, numbers.estimated)


def _key(question: Question, name: str, group: Group) -> Any:
    names = [dimension.name for dimension in question.dimensions]
    if name in names:
        return group.dimensions[names.index(name)]
    value = METRICS[name].value(group)
    return Decimal(value) if isinstance(value, str) else value
