"""Events in order, of a session or of a user, as SQL: what funnels are looked for in. Pure.

A sequence is a row with `moments`, an array that says when each event was, in µs since any beginning, and with what
tells whether an event is a step: either its name (`path`), or for each step an array of truths (`hits_1`, `hits_2`, …).
Two events of one moment are in the order of their names, as in a session's path.
"""

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Subquery,
    Text,
    cast,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from clickloom.tables import sessions
from services.api.analysis.events import (
    VALUE,
    Clicks,
    all_events,
    click_events,
    has,
    hit_name,
    is_one_of,
    path_events,
    us,
    value_of,
)
from services.api.analysis.scope import Scope
from services.api.analysis.steps import Step
from services.api.query.fields import Field

# Columns of a sequence by name: they are asked for from within subqueries, whose FROM would take the table in anew.
MOMENTS: ColumnElement[Any] = literal_column("sequences.moments", ARRAY(BigInteger))
_PATH: ColumnElement[Any] = literal_column("sequences.path", ARRAY(Text))

_ZERO: ColumnElement[int] = literal_column("0")  # OFFSET 0: what is above is not worked out again where it is used


class PathSequences:
    """Each with the names of its events."""

    def __init__(self, table: Subquery, steps: Sequence[Step], end_us: ColumnElement[int] | None = None) -> None:
        """end_us: first steps are before it."""
        self.table = table
        self._steps = steps
        self._end_us = end_us

    def first(self, step: int, at_or_after: ColumnElement[int]) -> ColumnElement[int]:
        """The position of the step's first event from there on; null if there is none."""
        events = self._steps[step].events
        found = [func.array_position(_PATH, literal(event, Text), at_or_after) for event in events]
        return found[0] if len(found) == 1 else func.least(*found)

    def holds(self, step: int, at: ColumnElement[int]) -> ColumnElement[bool]:
        """Whether the event at the position is the step."""
        return is_one_of(_PATH[at], self._steps[step].events)

    def starts(self) -> Select[Any]:
        """The positions of the first step, as `p1`."""
        event = func.unnest(_PATH).table_valued(column("name", Text), with_ordinality="p1").render_derived()
        return _starts(event, is_one_of(event.c.name, self._steps[0].events), self._end_us)


class HitSequences:
    """Each with an array a step, of which events are it."""

    def __init__(self, table: Subquery, end_us: ColumnElement[int] | None = None) -> None:
        self.table = table
        self._end_us = end_us

    def first(self, step: int, at_or_after: ColumnElement[int]) -> ColumnElement[int]:
        return func.array_position(self._hits(step), true(), at_or_after)

    def holds(self, step: int, at: ColumnElement[int]) -> ColumnElement[bool]:
        return self._hits(step)[at]

    def starts(self) -> Select[Any]:
        event = func.unnest(self._hits(0)).table_valued(column("is_it", Boolean), with_ordinality="p1").render_derived()
        return _starts(event, event.c.is_it, self._end_us)

    def _hits(self, step: int) -> ColumnElement[Any]:
        return literal_column(f"sequences.{hit_name(step)}", ARRAY(Boolean))


Sequences = PathSequences | HitSequences


def _starts(event: FromClause, is_it: ColumnElement[bool], end_us: ColumnElement[int] | None) -> Select[Any]:
    found = select(cast(event.c.p1, Integer).label("p1")).where(is_it)
    return found if end_us is None else found.where(MOMENTS[event.c.p1] < end_us)


def of_paths(scope: Scope, steps: Sequence[Step], value: Field | None) -> PathSequences:
    """One a session that has the first step's events, out of its path."""
    at = sessions.c
    found = select(at.path, at.path_offsets_us.label("moments"), value_of(value)).where(
        scope.holds(), has(at.path, steps[0].events)
    )
    return PathSequences(found.subquery("sequences"), steps)


def of_clicks(scope: Scope, steps: Sequence[Step], value: Field | None, told: Clicks, *, strict: bool) -> HitSequences:
    """One a session that has the first step's events, out of its clicks."""
    needed = or_(has(sessions.c.path, steps[0].events), sessions.c.path_truncated)
    events = click_events(scope, needed, steps, value, told, strict=strict)
    hits = [hit_name(step) for step in range(len(steps))]
    return HitSequences(_gathered(events, [events.c.session_uid], hits, func.min(events.c.value)))


def of_users(
    scope: Scope, steps: Sequence[Step], value: Field | None, told: Clicks, *, strict: bool, within_us: int
) -> Sequences:
    """One a user, out of the paths of the sessions; out of their clicks, if a step has filters. `value` is an array.

    Sessions that begin up to `within_us` after the scope's end are in it too, for what began before that.
    """
    later = scope.stretch.end.astimezone(UTC) + timedelta(microseconds=within_us)
    ends = us(literal(scope.stretch.end, sessions.c.begin_session.type))
    # in strict order any other event counts too, whichever session it is of
    needed = true() if strict else or_(has(sessions.c.path, all_events(steps)), sessions.c.path_truncated)
    if any(step.filter is not None for step in steps):
        events = click_events(scope, needed, steps, value, told, strict=strict, end=later)
        return HitSequences(_of_each_user(events, [hit_name(step) for step in range(len(steps))], value), ends)
    events = path_events(scope, needed, steps, value, strict=strict, end=later)
    return PathSequences(_of_each_user(events, ["path"], value), steps, ends)


def _of_each_user(events: Subquery, columns: Sequence[str], value: Field | None) -> Subquery:
    values = literal(None, ARRAY(Text)) if value is None else _array(events, VALUE)
    return _gathered(events, [events.c.user_id, events.c.site_id], columns, values)


def _gathered(
    events: Subquery, by: Sequence[ColumnElement[Any]], columns: Sequence[str], value: ColumnElement[Any]
) -> Subquery:
    """Rows become arrays of the same names, in order."""
    arrays = [_array(events, name).label(name) for name in ("moments", *columns)]
    return select(value.label(VALUE), *arrays).group_by(*by).offset(_ZERO).subquery("sequences")


def _array(events: Subquery, name: str) -> ColumnElement[Any]:
    kind = ARRAY(events.c[name].type)
    return func.array_agg(aggregate_order_by(events.c[name], events.c.moments, events.c.path), type_=kind)
