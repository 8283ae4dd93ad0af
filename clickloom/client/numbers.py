"""Numbers about sessions, as types: what `POST /v1/query`, funnels, paths and retention answer. Pure."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from clickloom.client.tables import library

if TYPE_CHECKING:
    import polars

Value = int | float | str | bool | None
MONEY = frozenset({"revenue", "revenue_per_session"})  # are told as text, for not to be rounded


class Comparison(msgspec.Struct, frozen=True):
    metrics: list[Value]
    change: list[float | None]  # %, of rates percentage points


class Totals(msgspec.Struct, frozen=True):
    metrics: list[Value]
    comparison: Comparison | None = None


class Row(msgspec.Struct, frozen=True):
    metrics: list[Value]
    dimensions: list[Value]
    comparison: Comparison | None = None


class Meta(msgspec.Struct, frozen=True):
    as_of: datetime | None  # complete up to here
    truncated: bool  # there are more rows than `limit`
    estimated: list[str]  # metrics that are told of sketches
    warnings: list[str]
    time_labels: list[str] | None = None


class Numbers(msgspec.Struct, frozen=True):
    """The answer to a query; iterates rows as dicts, by the names of dimensions and metrics."""

    results: list[Row]
    meta: Meta
    query: dict[str, Any]  # as it was understood
    totals: Totals | None = None

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[dict[str, Value | Decimal]]:
        names = [*self.query["dimensions"], *self.query["metrics"]]
        for row in self.results:
            pairs = zip(names, [*row.dimensions, *row.metrics], strict=True)
            yield {name: Decimal(value) if name in MONEY and value is not None else value for name, value in pairs}

    def to_polars(self) -> "polars.DataFrame":
        """Raises MissingLibrary."""
        found: polars.DataFrame = library("polars").DataFrame(list(self), infer_schema_length=None)
        return found

    def to_pandas(self) -> Any:
        """A pandas.DataFrame. Raises MissingLibrary."""
        return library("pandas").DataFrame(list(self))


class FunnelStep(msgspec.Struct, frozen=True, kw_only=True):
    event: list[str]  # any of them
    count: int
    dropped: int  # of those at the step before
    of_first: float | None  # from 0 to 1, as the next
    of_previous: float | None
    median_s: float | None  # since the step before


class FunnelGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Of a value of the breakdown; `other`: of all that have no group of their own."""

    value: str | None
    other: bool
    steps: list[FunnelStep]
    conversion: float | None


class Funnel(msgspec.Struct, frozen=True, kw_only=True):
    steps: list[FunnelStep]
    conversion: float | None  # from 0 to 1
    counted: Literal["sessions", "users"]
    breakdown: list[FunnelGroup] | None
    truncated_sessions: int  # of which only the first 100 events were looked at
    as_of: datetime | None
    query: dict[str, Any]


class PathNode(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    level: int
    kind: str  # event, other, exit, entry or cut; docs/api.md says what they mean
    event: str | None
    sessions: int


class PathLink(msgspec.Struct, frozen=True):
    source: str
    target: str
    sessions: int


class Paths(msgspec.Struct, frozen=True, kw_only=True):
    sessions: int
    nodes: list[PathNode]
    links: list[PathLink]
    as_of: datetime | None
    query: dict[str, Any]


class Cohort(msgspec.Struct, frozen=True):
    cohort: date  # the first day of the period
    size: int
    returned: list[int]  # by periods later


class Retention(msgspec.Struct, frozen=True):
    cohorts: list[Cohort]
    as_of: datetime | None
    query: dict[str, Any]
