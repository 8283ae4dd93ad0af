"""What `POST /v1/query` is asked: the request, and the question that it means. Pure: the clock is an argument."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints
from pydantic import Field as Member

from clickloom.breakdowns import EXPERIMENT
from services.api.problems import wrong_parameter
from services.api.query.date_ranges import NAMED, Comparison, Stretch
from services.api.query.fields import FIELDS, Field, find_field
from services.api.query.filters import OPERATORS, Filter
from services.api.query.metrics import METRICS, Metric
from services.api.query.scope import parse_scope

Unit = Literal["minute", "hour", "day", "week", "month"]
UNITS: tuple[Unit, ...] = ("minute", "hour", "day", "week", "month")
TIME = "time:"
DIMENSIONS = (
    *(f"{TIME}{unit}" for unit in UNITS),
    *(name for name in FIELDS if name != "event"),
    f"{EXPERIMENT}<name>",
)

MOST_DIMENSIONS = 5
MOST_ROWS = 10_000

Text = Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00]*$")]
EXAMPLE: dict[str, JsonValue] = {
    "site_id": "shop",
    "metrics": ["sessions", "conversion_rate"],
    "date_range": ["2025-01-06", "2025-02-04"],
    "dimensions": ["utm_source"],
    "filters": [["is", "device_type", ["mobile", "tablet"]]],
    "include": {"totals": True, "comparison": "previous_period"},
    "timezone": "Europe/Berlin",
    "limit": 3,
}


class Include(BaseModel):
    model_config = ConfigDict(extra="forbid")

    totals: bool = Member(False, description="the same metrics of all groups together")
    comparison: Comparison | None = Member(None, description="each number beside that of another time, and its change")
    so_far: bool = Member(
        False, description="of a range that is not over, compare only as much of the other time as has passed"
    )
    time_labels: bool = Member(False, description="all labels of the range in `meta`, and rows also of empty buckets")


class QueryRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EXAMPLE})

    site_id: Text | None = Member(None, description="if none: all sites that the key opens, together")
    window: Text = "visits"
    metrics: list[Text] = Member(min_length=1, max_length=len(METRICS), description=f"of {', '.join(METRICS)}")
    date_range: Text | Annotated[list[Text], Member(min_length=2, max_length=2)] = Member(
        description=f"{', '.join(NAMED)}, or [first, last]: dates, both with their whole day, or times, of which the"
        " second is exclusive. A session is of the time at which it began"
    )
    dimensions: list[Text] = Member([], max_length=MOST_DIMENSIONS, description=f"of {', '.join(DIMENSIONS)}")
    filters: list[JsonValue] = Member(
        [],
        description=f'nested lists: [operator, field, [value, …]], where several values are alternatives; and ["and",'
        f' […]], ["or", […]], ["not", …]. Operators for text: {", ".join(OPERATORS["text"])}; for numbers:'
        f" {', '.join(OPERATORS['number'])}",
    )
    order_by: list[Annotated[list[Text], Member(min_length=2, max_length=2)]] | None = Member(
        None,
        description='[[metric or dimension, "asc" or "desc"], …]. If none: by time, or by the first metric, descending',
    )
    include: Include = Include()
    timezone: Text = Member("UTC", description="of the IANA's names; it cuts days, weeks and months")
    limit: int = Member(
        1_000, ge=1, le=MOST_ROWS, description="rows at the most; `meta.truncated` says if there are more"
    )


@dataclass(frozen=True, slots=True)
class Dimension:
    """Either of the time, by a unit, or of a field."""

    name: str
    unit: Unit | None = None
    field: Field | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A request that makes sense."""

    window: str
    sites: tuple[str, ...]  # none: all
    stretch: Stretch
    zone: ZoneInfo
    metrics: tuple[Metric, ...]
    dimensions: tuple[Dimension, ...]
    filter: Filter
    order_by: tuple[tuple[str, bool], ...]  # (metric or dimension, whether descending)
    limit: int

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(dimension.field for dimension in self.dimensions if dimension.field)

    @property
    def unit(self) -> Unit | None:
        """The finest by which time is cut."""
        return min((one.unit for one in self.dimensions if one.unit), key=UNITS.index, default=None)

    def needs(self, what: str) -> bool:
        return any(metric.needs == what for metric in self.metrics)

    def together(self) -> "Question":
        """The same of all groups."""
        return replace(self, dimensions=(), order_by=(), limit=1)

    def during(self, stretch: Stretch) -> "Question":
        """The same of another time, of which no group may be missing."""
        return replace(self, stretch=stretch, order_by=(), limit=MOST_GROUPS)


MOST_GROUPS = 100_000  # that are looked at for one answer


def question_of(request: QueryRequest, sites: tuple[str, ...], now: datetime) -> Question:
    """Raises Problem, which names the member and what is possible."""
    zone, stretch, tree = parse_scope(request.date_range, request.timezone, request.filters, now)
    metrics = tuple(_metric(name, f"metrics[{at}]") for at, name in enumerate(request.metrics))
    dimensions = tuple(_dimension(name, f"dimensions[{at}]") for at, name in enumerate(request.dimensions))
    for member, names in (("metrics", request.metrics), ("dimensions", request.dimensions)):
        if len(set(names)) < len(names):
            raise wrong_parameter(member, "one of them is named twice")
    order_by = _order(request)
    return Question(request.window, sites, stretch, zone, metrics, dimensions, tree, order_by, request.limit)


def _metric(name: str, where: str) -> Metric:
    if name not in METRICS:
        raise wrong_parameter(where, f"{name!r} is no metric; one of {', '.join(METRICS)}")
    return METRICS[name]


def _dimension(name: str, where: str) -> Dimension:
    for unit in UNITS:
        if name == TIME + unit:
            return Dimension(name, unit=unit)
    field = find_field(name)
    if field is None or field.kind == "events":
        raise wrong_parameter(where, f"{name!r} is no dimension; one of {', '.join(DIMENSIONS)}")
    return Dimension(name, field=field)


def _order(request: QueryRequest) -> tuple[tuple[str, bool], ...]:
    if request.order_by is None:
        by_time = tuple((name, False) for name in request.dimensions if name.startswith(TIME))
        return by_time or ((request.metrics[0], True),)
    names = (*request.metrics, *request.dimensions)
    for at, (name, direction) in enumerate(request.order_by):
        if name not in names:
            message = f"{name!r} is none of the query's metrics and dimensions, {', '.join(names)}"
            raise wrong_parameter(f"order_by[{at}][0]", message)
        if direction not in ("asc", "desc"):
            raise wrong_parameter(f"order_by[{at}][1]", f"{direction!r} is no direction; asc or desc")
    return tuple((name, direction == "desc") for name, direction in request.order_by)
