"""Events of sessions as rows, as SQL: out of the sessions' paths, or out of clicks. Pure.

Each has its `moments` (µs since 1970), its name as `path`, its session's `value` for a breakdown, and, of clicks, for
each step whether it is that: `hits_1`, `hits_2`, …
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Subquery,
    Text,
    and_,
    any_,
    cast,
    column,
    extract,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from clickloom.tables import clicks, late_clicks, sessions
from clickloom.times import from_datetime, to_datetime
from services.api.analysis.scope import Scope
from services.api.analysis.steps import Step
from services.api.query.fields import Field
from services.api.query.filters import condition_on

VALUE = "value"

_ZERO: ColumnElement[int] = literal_column("0")  # OFFSET 0: what is above is not worked out again where it is used


@dataclass(frozen=True, slots=True)
class Clicks:
    """How clicks are told apart that are in sessions."""

    future_bound_us: int  # how long before its own time a click can have arrived
    bots: bool  # whether theirs make sessions


def path_events(
    scope: Scope,
    needed: ColumnElement[bool],
    steps: Sequence[Step],
    value: Field | None,
    *,
    strict: bool,
    end: datetime,
) -> Subquery:
    """One row an event of the sessions' paths: all of them if the order is strict, else those that are a step."""
    at = sessions.c
    events = all_events(steps)
    some = (
        select(at.site_id, at.user_id, at.path, at.path_offsets_us, us(at.begin_session).label("begin_us"))
        .add_columns(value_of(value))
        .where(scope.holds(end=end), needed)
        .offset(_ZERO)
        .subquery("some_sessions")
    )
    event = (
        func.unnest(some.c.path, some.c.path_offsets_us)
        .table_valued(column("name", Text), column("offset_us", BigInteger), name="event")
        .render_derived()
    )
    name = event.c.name.collate("C")
    found = select(
        some.c.site_id,
        some.c.user_id,
        (some.c.begin_us + event.c.offset_us).label("moments"),
        name.label("path"),
        some.c.value,
    ).select_from(some.join(event, true()))
    return (found if strict else found.where(is_one_of(event.c.name, events))).subquery("events")


def click_events(
    scope: Scope,
    needed: ColumnElement[bool],
    steps: Sequence[Step],
    value: Field | None,
    told: Clicks,
    *,
    strict: bool,
    end: datetime | None = None,
) -> Subquery:
    """One row a click of the sessions that are needed; each that the session counts, once."""
    at = sessions.c
    some = (
        select(at.session_uid, at.site_id, at.user_id, at.device_id, at.begin_session, at.end_session, value_of(value))
        .where(scope.holds(end=end), needed)
        .subquery("some_sessions")
    )
    hits = [_is_step(step).label(hit_name(number)) for number, step in enumerate(steps)]
    its = clicks.c
    first_us = from_datetime(scope.stretch.begin) - told.future_bound_us
    found = (
        select(some.c.session_uid, some.c.site_id, some.c.user_id, some.c.value)
        .add_columns(us(its.client_timestamp).label("moments"), its.client_event.collate("C").label("path"), *hits)
        .select_from(some.join(clicks, _is_of(some)))
        .where(
            its.arrived_at >= to_datetime(first_us),
            true() if told.bots else ~its.is_bot,
            true() if strict else or_(*map(_is_step, steps)),
            ~_is_late(scope.window),
        )
        # a click that was sent twice counts when it came first
        .ext(distinct_on(some.c.session_uid, its.event_id))
        .order_by(some.c.session_uid, its.event_id, its.entry_ms, its.entry_seq, its.entry_row)
    )
    return found.subquery("events")


def _is_of(some: Subquery) -> ColumnElement[bool]:
    same = [some.c[name] == clicks.c[name] for name in ("site_id", "user_id", "device_id")]
    return and_(*same, clicks.c.client_timestamp.between(some.c.begin_session, some.c.end_session))


def _is_late(window: str) -> ColumnElement[bool]:
    names = ("entry_ms", "entry_seq", "entry_row", "site_id", "user_id", "device_id", "event_id")
    same = [late_clicks.c[name] == clicks.c[name] for name in names]
    return select(late_clicks.c.entry_ms).where(late_clicks.c.window == window, *same).exists()


def _is_step(step: Step) -> ColumnElement[bool]:
    named = is_one_of(clicks.c.client_event, step.events)
    if step.filter is None:
        return named
    return func.coalesce(and_(named, condition_on(clicks, step.filter)), False)


def is_one_of(name: ColumnElement[str], events: Sequence[str]) -> ColumnElement[bool]:
    return name == any_(_texts(events))


def has(path: ColumnElement[Any], events: Sequence[str]) -> ColumnElement[bool]:
    return path.op("&&", is_comparison=True)(_texts(events))


def _texts(events: Sequence[str]) -> ColumnElement[Any]:
    return cast(literal(list(events), ARRAY(Text)), ARRAY(Text))


def all_events(steps: Sequence[Step]) -> list[str]:
    return sorted({event for step in steps for event in step.events})


def value_of(field: Field | None) -> ColumnElement[Any]:
    return (literal(None, Text) if field is None else cast(field.read(sessions), Text)).label(VALUE)


def us(moment: ColumnElement[datetime]) -> ColumnElement[int]:
    return cast(extract("epoch", moment) * 1_000_000, BigInteger)


def hit_name(step: int) -> str:
    return f"hits_{step + 1}"
