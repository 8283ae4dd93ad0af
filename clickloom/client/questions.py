"""What the API is asked, as requests are made of it. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Literal, TypedDict
from urllib.parse import quote
from uuid import uuid4

import httpx
import msgspec

JSON = {"Content-Type": "application/json"}
ARROW = {"Accept": "application/vnd.apache.arrow.stream"}
JSON_PAGE, ARROW_PAGE = 1_000, 10_000  # rows: the most that there are
EVENTS_AT_ONCE = 500
TRIES = 6  # of events that the API has no place for now
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0

Order = Literal[
    "-begin_session", "begin_session",
    "-duration_sec", "duration_sec",
    "-events", "events",
    "-orders", "orders",
    "-revenue", "revenue",
]  # fmt: skip


class SessionFilters(TypedDict, total=False):
    """The parameters of `GET /v1/sessions`; of several values any one will do."""

    window: str
    site_id: str
    user_id: str
    device_id: str
    from_: datetime | str  # `from`, which Python keeps for itself
    to: datetime | str
    device_type: str | Sequence[str]
    session_id: str | Sequence[str]
    begin_navigation: str | Sequence[str]
    end_navigation: str | Sequence[str]
    event: str | Sequence[str]
    entry_url: str | Sequence[str]
    referrer: str | Sequence[str]
    utm_source: str | Sequence[str]
    utm_medium: str | Sequence[str]
    utm_campaign: str | Sequence[str]
    experiment: str | Sequence[str]  # name:variant
    currency: str | Sequence[str]
    closed_by: str | Sequence[str]
    converted: bool
    bounced: bool
    min_duration_sec: int
    max_duration_sec: int
    min_events: int
    max_events: int
    filters: list[Any]
    order: Order


class Scope(TypedDict, total=False):
    """Which sessions numbers are about: what `POST /v1/query`, funnels, paths and retention have in common."""

    site_id: str
    window: str
    timezone: str
    filters: list[Any]


class QueryOptions(Scope, total=False):
    dimensions: Sequence[str]
    order_by: Sequence[tuple[str, Literal["asc", "desc"]]]
    include: Mapping[str, Any]
    limit: int


class FunnelOptions(Scope, total=False):
    date_range: str | Sequence[str]  # a name, or two dates or times
    order: Literal["loose", "strict"]
    within: str
    breakdown: str
    limit: int


class PathsOptions(Scope, total=False):
    date_range: str | Sequence[str]  # a name, or two dates or times
    from_: str  # `from`, which Python keeps for itself
    to: str
    levels: int
    most: int
    collapse_repeats: bool


class RetentionOptions(Scope, total=False):
    date_range: str | Sequence[str]  # a name, or two dates or times
    period: Literal["day", "week", "month"]
    periods: int
    returning_event: str
    first: Literal["ever", "range"]


class LiveSessionFilters(TypedDict, total=False):
    window: str
    site_id: str
    user_id: str
    device_id: str
    device_type: str
    event: str  # on the path
    converted: bool
    bounced: bool


class LiveClickFilters(TypedDict, total=False):
    site_id: str
    user_id: str
    device_type: str
    event: str
    is_bot: bool


def steps_of(steps: Sequence[str | Sequence[str] | Mapping[str, Any]]) -> list[Any]:
    """Names of events alone are steps too."""
    return [step if isinstance(step, Mapping) else {"event": step} for step in steps]


def members(asked: Mapping[str, Any]) -> dict[str, Any]:
    """As they stand in a body."""
    return {name.removesuffix("_"): value for name, value in asked.items()}


def parameters(**asked: Any) -> dict[str, str | list[str]]:
    """As they stand in an address; None leaves one out."""
    return {name.removesuffix("_"): _written(name, value) for name, value in asked.items() if value is not None}


def _written(name: str, value: Any) -> str | list[str]:
    if name == "filters":
        return msgspec.json.encode(value).decode()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, (str, int)) else list(map(str, value))


def timeline_path(user_id: str) -> str:
    return f"/v1/users/{quote(user_id, safe='')}/timeline"


def next_cursor(answer: httpx.Response) -> str | None:
    """Of a page without a place for it."""
    url = answer.links.get("next", {}).get("url")
    return httpx.URL(url).params["cursor"] if url else None


def portions(events: Iterable[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Each event with an id: sent again, it is the same event."""
    rest = iter(events)
    while some := [{"event_id": str(uuid4()), **event} for event in islice(rest, EVENTS_AT_ONCE)]:
        yield some


def authorization(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def wait_s(tries: int, said_s: float | None = None) -> float:
    """Before the next try, after so many."""
    return float(min(max(FIRST_WAIT_S * 2 ** (tries - 1), said_s or 0), LONGEST_WAIT_S))
