"""Users by the period of their first session, and in which later periods they came back, as SQL. Pure."""

from datetime import UTC, date, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Date, Integer, Select, Subquery, Text, cast, extract, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from clickloom.tables import sessions
from services.api.analysis.scope import Scope

_EVER = datetime(1970, 1, 1, tzinfo=UTC)

Period = Literal["day", "week", "month"]


class Returns(NamedTuple):
    """So many users of a cohort came back so many periods later."""

    cohort: date  # the period's first day, in the question's zone
    later: int
    users: int  # that had a session then
    returned: int  # of these, with the event that counts


def returns_statement(scope: Scope, period: Period, *, event: str | None, looks_back: bool) -> Select[Any]:
    """Rows of Returns. looks_back: whoever had a session before the scope's time is in no cohort."""
    active = _active(scope, period, event)
    first = func.min(active.c.period).over(partition_by=(active.c.user_id, active.c.site_id))
    numbered = select(active, first.label("cohort"))
    if looks_back:
        numbered = numbered.where(~_was_before(scope, active))
    found = numbered.subquery("numbered")
    later = _number(found.c.period, period) - _number(found.c.cohort, period)
    returned = func.count().filter(found.c.returned)
    return (
        select(found.c.cohort, later.label("later"), func.count().label("users"), returned.label("returned"))
        .group_by(found.c.cohort, later)
        .order_by(found.c.cohort, later)
    )


def _active(scope: Scope, period: Period, event: str | None) -> Subquery:
    """One row a user and period with a session in it."""
    at = sessions.c
    local = func.timezone(scope.zone.key, at.begin_session)
    begins = cast(func.date_trunc(period, local), Date)
    is_return = literal(True) if event is None else at.path.contains(cast([event], ARRAY(Text)))
    found = select(at.user_id, at.site_id, begins.label("period"), func.bool_or(is_return).label("returned"))
    return found.where(scope.holds()).group_by(at.user_id, at.site_id, begins).subquery("active")


def _was_before(scope: Scope, active: Subquery) -> ColumnElement[bool]:
    at = sessions.c
    before = scope.holds(begin=_EVER, end=scope.stretch.begin)
    return select(at.session_uid).where(before, at.user_id == active.c.user_id, at.site_id == active.c.site_id).exists()


def _number(day: ColumnElement[date], period: Period) -> ColumnElement[int]:
    """Of the period, counted from anywhere."""
    if period == "month":
        return cast(extract("year", day) * 12 + extract("month", day), Integer)
    days = cast(day - literal(date(1970, 1, 5), Date), Integer)  # since a Monday
    return days if period == "day" else days // 7
