"""A question as SQL, over the tables that its pieces are read from. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    any_,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import array

from clickloom.breakdowns import DAY, EXPERIMENT, HOUR, SUMS, TOTAL, breakdown_days, breakdowns
from clickloom.durations import CLASSES
from clickloom.session_fields import class_number
from clickloom.tables import session_rollups, sessions
from clickloom.visitor_sketch import PACKED, RANK, REGISTER
from services.api.query.fields import Field
from services.api.query.filters import Combination, Filter, condition_on
from services.api.query.metrics import METRICS
from services.api.query.pieces import Breakdown, Piece, Source
from services.api.query.question import Dimension, Question

CURRENCIES = ("currency_least", "currency_most")
NAMES = (*SUMS, *CURRENCIES)
FEW_GROUPS = 100
FEW_PIECES = 10


@dataclass(frozen=True, slots=True)
class Read:
    """A table as it is read: by which time, and what its rows add up to."""

    table: FromClause
    time: ColumnElement[datetime]
    sums: Mapping[str, ColumnElement[Any]]
    columns: bool = False  # fields are columns of their own names, also those that are computed elsewhere

    def field(self, field: Field) -> ColumnElement[Any]:
        return self.table.c[field.name] if self.columns else field.read(self.table)

    def label(self, dimension: Dimension, question: Question) -> ColumnElement[Any]:
        if dimension.field:
            return self.field(dimension.field)
        return func.date_trunc(dimension.unit, self.time, question.zone.key)

    def condition(self, tree: Filter) -> ColumnElement[bool]:
        return condition_on(self.table, _on_columns(tree) if self.columns else tree)


def _on_columns(tree: Filter) -> Filter:
    """The filter over columns of the fields' names."""
    if isinstance(tree, Combination):
        return replace(tree, parts=tuple(map(_on_columns, tree.parts)))
    name = tree.field.name
    return replace(tree, field=replace(tree.field, needs=frozenset({name}), read=lambda table: table.c[name]))


def _of_sessions() -> Read:
    at, paid = sessions.c, sessions.c.revenue != 0
    sums = {
        **{name: func.sum(at[name]) for name in ("events", "duration_sec", "orders", "revenue")},
        "sessions": func.count(),
        "bounces": func.count().filter(at.bounced),
        "conversions": func.count().filter(at.converted),
        "currency_least": func.min(at.currency).filter(paid),
        "currency_most": func.max(at.currency).filter(paid),
    }
    return Read(sessions, at.begin_session, sums)


def _of_rollups() -> Read:
    sums = {name: func.sum(session_rollups.c[name]) for name in SUMS}
    return Read(session_rollups, session_rollups.c.bucket, {**sums, **dict.fromkeys(CURRENCIES, cast(null(), Text))})


def _of_breakdown(dimension: str, hours: int) -> Read:
    at = breakdowns.c
    value = cast(at.value, Integer) if dimension == "duration_class" else at.value
    named = [value.label(dimension)] if dimension != TOTAL else []
    names = ("window", "site_id", "device_type", "bucket", *NAMES, "durations", "visitors")
    rows = select(*(at[name] for name in names), *named).where(at.dimension == dimension, at.hours == hours).subquery()
    sums: dict[str, ColumnElement[Any]] = {name: func.sum(rows.c[name]) for name in SUMS}
    ends = {"currency_least": func.min(rows.c.currency_least), "currency_most": func.max(rows.c.currency_most)}
    return Read(rows, rows.c.bucket, {**sums, **ends}, columns=True)


def _read(source: Source, breakdown: Breakdown | None) -> Read:
    if source == "sessions":
        return _of_sessions()
    if source == "rollups":
        return _of_rollups()
    assert breakdown is not None
    return _of_breakdown(breakdown.dimension, DAY if source == "days" else HOUR)


def _labels(question: Question, read: Read) -> list[ColumnElement[Any]]:
    return [read.label(dimension, question).label(f"d{at}") for at, dimension in enumerate(question.dimensions)]


def _names(question: Question) -> list[ColumnElement[Any]]:
    """The labels by name alone: bound values in an expression would make two of it."""
    return [literal_column(f"d{at}") for at, _ in enumerate(question.dimensions)]


def _where(question: Question, read: Read, pieces: Sequence[Piece]) -> list[ColumnElement[bool]]:
    """Of pieces in the order of time. Their ends come first: they are what an index serves best."""
    at = read.table.c
    found = [at.window == question.window, read.time >= pieces[0].begin, read.time < pieces[-1].end]
    if len(pieces) > 1:
        found.append(or_(*(and_(read.time >= piece.begin, read.time < piece.end) for piece in pieces)))
    if question.sites:
        found.append(at.site_id.in_(question.sites))
    # an experiment's groups are its variants: who is not in it is in none of them
    experiments = (field for field in question.fields if field.name.startswith(EXPERIMENT))
    return [*found, *(read.field(field).is_not(None) for field in experiments), read.condition(question.filter)]


def _by_source(pieces: Sequence[Piece]) -> list[tuple[Source, list[Piece]]]:
    """A few pieces are read each on its own, by an index; of many, each table is read once."""
    if len(pieces) <= FEW_PIECES:
        return [(piece.source, [piece]) for piece in pieces]
    found: dict[Source, list[Piece]] = {}
    for piece in pieces:
        found.setdefault(piece.source, []).append(piece)
    return list(found.items())


def sums_of(question: Question, pieces: Sequence[Piece], breakdown: Breakdown | None) -> Select[Any]:
    """One row a group: its labels, and NAMES. One row more than the limit tells that there are more."""
    parts = [_sums(question, _read(source, breakdown), some) for source, some in _by_source(pieces)]
    found = union_all(*parts).subquery()
    sums = {
        **{name: cast(func.coalesce(func.sum(found.c[name]), 0), BigInteger) for name in SUMS if name != "revenue"},
        "revenue": func.coalesce(func.sum(found.c.revenue), 0),
        "currency_least": func.min(found.c.currency_least),
        "currency_most": func.max(found.c.currency_most),
    }
    labels = [found.c[f"d{at}"] for at, _ in enumerate(question.dimensions)]
    statement = select(*labels, *(sums[name].label(name) for name in NAMES)).group_by(*labels)
    return statement.order_by(*_order(question, sums), *labels).limit(question.limit + 1)


def _sums(question: Question, read: Read, pieces: Sequence[Piece]) -> Select[Any]:
    sums = (read.sums[name].label(name) for name in NAMES)
    return select(*_labels(question, read), *sums).where(*_where(question, read, pieces)).group_by(*_names(question))


def _order(question: Question, sums: Mapping[str, ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    names = [dimension.name for dimension in question.dimensions]
    found: list[ColumnElement[Any]] = []
    for name, descending in question.order_by:
        made = METRICS[name].order if name in METRICS and name not in names else None
        column = made(sums) if made else literal_column(f"d{names.index(name)}")
        found.append(column.desc().nulls_last() if descending else column.asc().nulls_last())
    return found


def classes_of(question: Question, pieces: Sequence[Piece], breakdown: Breakdown | None) -> Select[Any]:
    """One row a group and class of durations: the labels, `class` from 1 on, and how many sessions."""
    parts = [_classes(question, _read(source, breakdown), some) for source, some in _by_source(pieces)]
    found = union_all(*parts).subquery()
    labels = [found.c[f"d{at}"] for at, _ in enumerate(question.dimensions)]
    many = cast(func.sum(found.c.sessions), BigInteger)
    return select(*labels, found.c["class"], many).group_by(*labels, found.c["class"])


def _classes(question: Question, read: Read, pieces: Sequence[Piece]) -> Select[Any]:
    labels, names, where = _labels(question, read), _names(question), _where(question, read, pieces)
    if read.table is sessions:
        number = class_number(sessions).label("class")
        many = func.count().label("sessions")
        return select(*labels, number, many).where(*where).group_by(*names, literal_column('"class"'))
    counts = array([func.sum(read.table.c.durations[number]) for number in range(1, CLASSES + 1)]).label("counts")
    grouped = select(*labels, counts).where(*where).group_by(*names).subquery()
    each = func.unnest(grouped.c.counts).table_valued("sessions", with_ordinality="class").render_derived()
    kept = [grouped.c[f"d{at}"] for at, _ in enumerate(question.dimensions)]
    return (
        select(
            *kept, cast(each.c["class"], Integer).label("class"), cast(each.c.sessions, BigInteger).label("sessions")
        )
        .select_from(grouped.join(each, true()))
        .where(each.c.sessions > 0)
    )


def visitors_of(question: Question, piece: Piece) -> Select[Any]:
    """One row a group: the labels, and how many different visitors it has."""
    read = _of_sessions()
    labels, at = _labels(question, read), sessions.c
    each = select(*labels, at.site_id, at.user_id).where(*_where(question, read, [piece])).distinct().subquery()
    names = [each.c[f"d{number}"] for number, _ in enumerate(question.dimensions)]
    return select(*names, func.count()).select_from(each).group_by(*names)


def sketches_of(
    question: Question, pieces: Sequence[Piece], breakdown: Breakdown, groups: Sequence[tuple[Any, ...]]
) -> Select[Any]:
    """Rows of labels and a sketch; of a group there are several. Of these groups and, if they are many, of others."""
    parts = [_sketches(question, _read(source, breakdown), some) for source, some in _by_source(pieces)]
    found = union_all(*parts).subquery()
    statement = select(found)
    if question.dimensions and len(groups) <= FEW_GROUPS:
        firsts = {group[0] for group in groups}
        statement = statement.where(or_(found.c.d0.in_(firsts - {None}), found.c.d0.is_(None)))
    return statement


def _sketches(question: Question, read: Read, pieces: Sequence[Piece]) -> Select[Any]:
    labels, names, where = _labels(question, read), _names(question), _where(question, read, pieces)
    if read.table is not sessions:
        return select(*labels, read.table.c.visitors).where(*where)
    register: ColumnElement[int] = literal_column(REGISTER)
    rank: ColumnElement[int] = func.max(literal_column(RANK))
    grouped = (
        select(*labels, register.label("register"), rank.label("rank"))
        .where(*where)
        .group_by(*names, literal_column("register"))
        .subquery()
    )
    kept = [grouped.c[f"d{at}"] for at, _ in enumerate(question.dimensions)]
    packed = select(*kept, literal_column(PACKED).label("visitors")).select_from(grouped).group_by(*kept)
    return packed.having(func.count() > 0)  # without labels a piece without sessions would be a group too


def uncounted_days(question: Question, breakdown: Breakdown) -> Select[Any]:
    """The days (UTC) of the question's time of which the breakdown does not hold. A day without sessions has no row."""
    at, dimension = breakdown_days.c, breakdown.dimension
    kept = EXPERIMENT if dimension.startswith(EXPERIMENT) else dimension
    without = [at.counted != at.changed, literal(dimension) == any_(at.left_out), literal(kept) == any_(at.left_out)]
    begin, end = (moment.astimezone(UTC).date() for moment in (question.stretch.begin, question.stretch.end))
    statement = select(at.day).distinct().where(at.window == question.window, at.day.between(begin, end), or_(*without))
    return statement.where(at.site_id.in_(question.sites)) if question.sites else statement
