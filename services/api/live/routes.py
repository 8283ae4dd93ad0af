"""`GET /v1/live/metrics`, `/v1/live/sessions`, `/v1/live/clicks`: server-sent events."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, ConfigDict, Field

from clickloom.access import AccessKey
from clickloom.click import DeviceType
from clickloom.times import LAST_US
from services.api.live import examples
from services.api.live.feed import Feed
from services.api.live.ring import View
from services.api.live.views import ClicksView, MetricsView, SessionsView
from services.api.problems import documented_parameter
from services.api.query.session_filters import Name
from services.api.query.windows import check_window
from services.api.readers import UNREADABLE, Credentials, Readable, one_site
from services.api.resources import resources_of

router = APIRouter(tags=["live"])

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # nginx passes on what comes as it comes

LastEventId = Annotated[
    int | None,
    Header(
        alias="Last-Event-ID",
        ge=0,
        le=LAST_US // 1_000,
        description="the `id` of the last event received, from whichever process: what came after it comes first",
    ),
]


class LiveFilters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    site_id: Name | None = Field(None, description="only of this site; a key of several must name one")
    after: int | None = Field(
        None,
        ge=0,
        le=LAST_US // 1_000,
        description="as Last-Event-ID, which holds if there is one too: for a browser, which cannot send it at first",
    )


class Windowed(LiveFilters):
    window: Name = Field("visits", description="the window's name")


class MetricsFilters(Windowed):
    whole: bool = Field(False, description="whole seconds only: an event a second")


class VisitorFilters(LiveFilters):
    user_id: Name | None = None
    device_type: DeviceType | None = None


class SessionFilters(VisitorFilters, Windowed):
    device_id: Name | None = None
    event: Name | None = Field(None, description="one that the path shows")
    converted: bool | None = None
    bounced: bool | None = None
    at_most: int | None = Field(
        None, ge=1, le=1_000, description="of `sessions` in an event, revised ones first; `left_out` counts the others"
    )


class ClickFilters(VisitorFilters):
    event: Name | None = Field(None, description="the clicks' name")
    is_bot: bool | None = None


def _described(example: str, **refused: str) -> dict[int | str, dict[str, Any]]:
    [(field, message)] = refused.items()
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}
    told: dict[int | str, dict[str, Any]] = {200: {"description": "Events, without end", "content": content}}
    return {**told, **UNREADABLE, **documented_parameter(field, message)}


_UNDEFINED = "'hours' is not defined; one of visits, minutes"


@router.get(
    "/v1/live/metrics",
    response_class=StreamingResponse,  # of EventSourceResponse FastAPI would make every subscriber its own events
    summary="Live numbers, four times a second",
    responses=_described(examples.METRICS, window=_UNDEFINED),
)
async def live_metrics(
    request: Request,
    key: Credentials,
    sites: Readable,
    filters: Annotated[MetricsFilters, Query()],
    last_event_id: LastEventId = None,
) -> EventSourceResponse:
    """Each event `metrics` has the numbers of a second so far and takes the place of the one before of the same
    `second`; the last is `complete`. Counts of complete seconds add up."""
    resources = resources_of(request)
    site_id = one_site(sites, filters.site_id)
    check_window(resources, filters.window)
    view = MetricsView(filters.window, site_id, filters.whole)
    return _stream(resources.live.metrics, view, filters, last_event_id, _allowed(request, key))


@router.get(
    "/v1/live/sessions",
    response_class=StreamingResponse,  # of EventSourceResponse FastAPI would make every subscriber its own events
    summary="Sessions as they close, are revised and taken back",
    responses=_described(examples.SESSIONS, window=_UNDEFINED),
)
async def live_sessions(
    request: Request,
    key: Credentials,
    sites: Readable,
    filters: Annotated[SessionFilters, Query()],
    last_event_id: LastEventId = None,
) -> EventSourceResponse:
    """Each event `sessions` says first which sessions are no more (`revoked`, of the site whatever the other filters;
    one that you have not seen is none of yours), then which there are now. Sessions are as `GET /v1/sessions` has them.
    """
    resources = resources_of(request)
    site_id = one_site(sites, filters.site_id)
    check_window(resources, filters.window)
    who = (site_id, filters.user_id, filters.device_id, filters.device_type)
    view = SessionsView(filters.window, *who, filters.event, filters.converted, filters.bounced, filters.at_most)
    return _stream(resources.live.sessions[filters.window], view, filters, last_event_id, _allowed(request, key))


@router.get(
    "/v1/live/clicks",
    response_class=StreamingResponse,  # of EventSourceResponse FastAPI would make every subscriber its own events
    summary="Accepted events as they come",
    responses=_described(examples.CLICKS, device_type="Input should be 'mobile', 'computer', 'tablet' or 'other'"),
)
async def live_clicks(
    request: Request,
    key: Credentials,
    sites: Readable,
    filters: Annotated[ClickFilters, Query()],
    last_event_id: LastEventId = None,
) -> EventSourceResponse:
    """Each event `clicks` is an array, in the order in which the stream took them, as it took them: duplicates and
    late ones too, which only sessions tell apart. Without `properties` and `client_address`."""
    site_id = one_site(sites, filters.site_id)
    view = ClicksView(site_id, filters.user_id, filters.device_type, filters.event, filters.is_bot)
    return _stream(resources_of(request).live.clicks, view, filters, last_event_id, _allowed(request, key))


def _allowed(request: Request, key: AccessKey | None) -> Callable[[], bool]:
    """Whether the key still opens what was asked for with it."""
    access = resources_of(request).access
    return lambda: key is None or access.with_id(key.key_id) == key


def _stream(
    feed: Feed[Any], view: View[Any], filters: LiveFilters, last_event_id: int | None, allowed: Callable[[], bool]
) -> EventSourceResponse:
    after_ms = filters.after if last_event_id is None else last_event_id
    return EventSourceResponse(feed.follow(view, after_ms, allowed=allowed), headers=_HEADERS)
