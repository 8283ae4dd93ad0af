"""The answer of `POST /v1/query`, in the shape of Plausible's Stats API, version 2. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from clickloom.breakdowns import SUMS
from clickloom.durations import CLASSES
from clickloom.visitor_sketch import ERROR_PERCENT
from services.api.query.date_ranges import Stretch
from services.api.query.metrics import Group, Metric, Value
from services.api.query.question import EXAMPLE, QueryRequest, Question, Unit

_DAYS = ("day", "week", "month")
_EXAMPLE: dict[str, JsonValue] = {
    "results": [
        {
            "metrics": [19113, 38.76],
            "dimensions": ["google"],
            "comparison": {"metrics": [18204, 38.12], "change": [5.0, 0.64]},
        }
    ],
    "totals": {"metrics": [118727, 38.53], "comparison": {"metrics": [117002, 38.6], "change": [1.5, -0.07]}},
    "meta": {"as_of": "2025-02-05T10:00:00Z", "truncated": True, "estimated": [], "warnings": [], "time_labels": None},
    "query": {**EXAMPLE, "date_range": ["2025-01-06T00:00:00+01:00", "2025-02-05T00:00:00+01:00"]},
}


class Comparison(BaseModel):
    metrics: list[int | float | str | None]
    change: list[float | None] = Field(
        description="of each metric in %, of rates in percentage points; null from nothing, or if either is not there"
    )


class Numbers(BaseModel):
    metrics: list[int | float | str | None] = Field(description="in the order of the query's metrics")
    comparison: Comparison | None = None


class Row(Numbers):
    dimensions: list[int | float | str | bool | None] = Field(description="in the order of the query's dimensions")


class Meta(BaseModel):
    as_of: datetime | None = Field(description="the watermark: complete up to here")
    truncated: bool = Field(description="whether there are more rows than `limit`")
    estimated: list[str] = Field(description="metrics that are told of sketches")
    warnings: list[str]
    time_labels: list[str] | None = None


class QueryAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    results: list[Row]
    totals: Numbers | None = None
    meta: Meta
    query: dict[str, JsonValue] = Field(description="what was asked, with all that was not said; times resolved")


def metrics_of(question: Question, group: Group) -> list[Value]:
    return [metric.value(group) for metric in question.metrics]


def nothing(question: Question, dimensions: tuple[Any, ...] = ()) -> Group:
    """A group without sessions."""
    sums: dict[str, Any] = {
        **dict.fromkeys(SUMS, 0),
        "revenue": Decimal(0),
        "currency_least": None,
        "currency_most": None,
    }
    return Group(dimensions, sums, [0] * CLASSES)


def comparison_of(question: Question, now: Group, before: Group | None) -> Comparison:
    compared = metrics_of(question, before or nothing(question))
    pairs = zip(question.metrics, metrics_of(question, now), compared, strict=True)
    return Comparison(metrics=compared, change=[_change(*pair) for pair in pairs])


def _change(metric: Metric, now: Value, before: Value) -> float | None:
    if now is None or before is None:
        return None
    new, old = float(now), float(before)
    if metric.in_percent:
        return round(new - old, 2)
    return round((new - old) / old * 100, 1) if old else None


def label(question: Question, dimensions: Sequence[Any]) -> list[Any]:
    """Days, weeks and months as dates, hours and minutes as times."""
    shown = zip(question.dimensions, dimensions, strict=True)
    return [_moment(value.astimezone(question.zone), one.unit) if one.unit else _plain(value) for one, value in shown]


def _moment(moment: datetime, unit: Unit) -> str:
    return moment.date().isoformat() if unit in _DAYS else moment.isoformat()


def _plain(value: Any) -> Any:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else value


def buckets(stretch: Stretch, unit: Unit) -> Iterator[datetime]:
    """The first moment of each, in UTC, of the zone of the stretch; the first may begin before it."""
    moment = _floor(stretch.begin, unit)
    while moment.astimezone(UTC) < stretch.end.astimezone(UTC):
        yield moment.astimezone(UTC)
        moment = _next(moment, unit)


def _floor(moment: datetime, unit: Unit) -> datetime:
    if unit in ("minute", "hour"):
        return moment.replace(minute=0 if unit == "hour" else moment.minute, second=0, microsecond=0)
    day = moment.date()
    if unit != "day":
        day = day.replace(day=1) if unit == "month" else day - timedelta(days=day.weekday())
    return _midnight(day, moment)


def _next(moment: datetime, unit: Unit) -> datetime:
    """Hours and minutes by the clock of the world, days and more by the calendar."""
    if unit in ("minute", "hour"):
        step = timedelta(minutes=1) if unit == "minute" else timedelta(hours=1)
        return (moment.astimezone(UTC) + step).astimezone(moment.tzinfo)
    day = moment.date()
    if unit == "month":
        return _midnight((day + timedelta(days=32)).replace(day=1), moment)
    return _midnight(day + timedelta(days=1 if unit == "day" else 7), moment)


def _midnight(day: date, like: datetime) -> datetime:
    return datetime.combine(day, time(), like.tzinfo)


def warnings_of(question: Question, groups: Sequence[Group], estimated: set[str]) -> list[str]:
    found = []
    currencies = sorted(set().union(*(group.currencies for group in groups)))
    mixed = any(len(group.currencies) > 1 for group in groups)
    if any(metric.is_money for metric in question.metrics) and mixed:
        told = "revenue of several currencies cannot be added up and is null"
        found.append(f"{told} ({', '.join(currencies)} and maybe more): add the dimension currency, or filter by it")
    if estimated:
        found.append(f"visitors are estimated, with a standard error of {ERROR_PERCENT} %")
    return found


def resolved(request: QueryRequest, question: Question, earlier: Stretch | None) -> dict[str, Any]:
    """The query as it was understood."""
    found = request.model_dump(mode="json")
    found["date_range"] = _written(question.stretch)
    found["order_by"] = [[name, "desc" if descending else "asc"] for name, descending in question.order_by]
    return found if earlier is None else {**found, "comparison_date_range": _written(earlier)}


def _written(stretch: Stretch) -> list[str]:
    return [stretch.begin.isoformat(), stretch.end.isoformat()]
