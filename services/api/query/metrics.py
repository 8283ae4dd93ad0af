"""The numbers that a question can ask for. Pure: sums of sessions in, values out; and the same as SQL, to order by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from sqlalchemy import ColumnElement, Double, cast, func

from clickloom.durations import quantile

Value = int | float | str | None
Needs = Literal["sums", "classes", "visitors"]
Columns = Mapping[str, ColumnElement[Any]]


@dataclass(slots=True)
class Group:
    """What the sessions of one group add up to."""

    dimensions: tuple[Any, ...]
    sums: Mapping[str, Any]  # as clickloom/breakdowns.py names them
    classes: list[int] = field(default_factory=list)  # sessions of each class of duration; only if a metric needs them
    visitors: int = 0  # only if a metric needs it

    @property
    def sessions(self) -> int:
        return int(self.sums["sessions"])

    @property
    def currencies(self) -> set[str]:
        """Of which there is revenue: the first and the last by name, if there are several."""
        return {self.sums[name] for name in ("currency_least", "currency_most")} - {None}


@dataclass(frozen=True, slots=True)
class Metric:
    """`value` of a group; `order` is the same over columns of sums, None if it takes more than sums."""

    name: str
    meaning: str
    value: Callable[[Group], Value]
    order: Callable[[Columns], ColumnElement[Any]] | None = None
    needs: Needs = "sums"
    in_percent: bool = False
    is_money: bool = False


def _sum(name: str, of: str, meaning: str) -> Metric:
    return Metric(name, meaning, lambda group: int(group.sums[of]), lambda columns: columns[of])


def _average(name: str, of: str, meaning: str) -> Metric:
    return Metric(name, meaning, lambda group: _divided(group.sums[of], group), _ordering(of))


def _percent(name: str, of: str, meaning: str) -> Metric:
    return Metric(name, meaning, lambda group: _divided(100 * group.sums[of], group), _ordering(of), in_percent=True)


def _ordering(of: str) -> Callable[[Columns], ColumnElement[Any]]:
    return lambda columns: cast(columns[of], Double) / func.nullif(columns["sessions"], 0)


def _divided(number: int, group: Group) -> float | None:
    return float(_rounded(Decimal(number) / group.sessions, 2)) if group.sessions else None


def _rounded(number: Decimal, places: int) -> Decimal:
    """As people and Postgres do, halves away from zero."""
    return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _duration(percent: int) -> Metric:
    meaning = f"{percent} % of sessions last no longer, s; at most a tenth off, for it is told of classes"
    return Metric(
        f"duration_p{percent}", meaning, lambda group: quantile(group.classes, percent / 100), needs="classes"
    )


def money(amount: Decimal) -> str:
    """Without zeros at the end."""
    return format(_rounded(amount, 6).normalize(), "f")


def _revenue(group: Group) -> Value:
    return money(group.sums["revenue"]) if len(group.currencies) < 2 else None


def _revenue_per_session(group: Group) -> Value:
    if not group.sessions or len(group.currencies) > 1:
        return None
    return money(group.sums["revenue"] / group.sessions)


def _all_metrics() -> Mapping[str, Metric]:
    several = "; null if there are several currencies"
    found = [
        _sum("clicks", "events", "clicks in sessions"),
        _sum("sessions", "sessions", "sessions that began in the range"),
        Metric("visitors", "different users of a site", lambda group: group.visitors, needs="visitors"),
        _average("events_per_session", "events", "clicks a session"),
        _sum("duration_total", "duration_sec", "of all sessions together, s"),
        _average("duration_avg", "duration_sec", "s a session"),
        *map(_duration, (50, 90, 99)),
        _percent("bounce_rate", "bounces", "sessions that bounced, %"),
        _sum("conversions", "conversions", "sessions that converted"),
        _percent("conversion_rate", "conversions", "sessions that converted, %"),
        _sum("orders", "orders", "orders"),
        Metric("revenue", f"a decimal{several}", _revenue, lambda columns: columns["revenue"], is_money=True),
        Metric(
            "revenue_per_session",
            f"a decimal{several}",
            _revenue_per_session,
            _ordering("revenue"),
            is_money=True,
        ),
    ]
    return {metric.name: metric for metric in found}


METRICS = _all_metrics()
