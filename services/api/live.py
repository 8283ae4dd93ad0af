"""`GET /v1/live/metrics`: server-sent events."""

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.api.problems import Problem, documented_parameter
from services.api.query.windows import check_window
from services.api.readers import UNREADABLE, Readable
from services.api.resources import resources_of

router = APIRouter(tags=["live"])


def known_window(
    request: Request, sites: Readable, window: Annotated[str, Query(description="the window's name")] = "visits"
) -> str:
    """Asked before the stream begins: its status cannot change afterwards."""
    if sites:
        raise Problem(403, "live numbers are of all sites together: ask with a read key of all sites")
    check_window(resources_of(request), window)
    return window


_UNKNOWN = documented_parameter("window", "'hours' is not defined; one of visits, minutes")


@router.get(
    "/v1/live/metrics",
    response_class=EventSourceResponse,
    summary="Live numbers, once a second",
    responses={**UNREADABLE, **_UNKNOWN},
)
async def live_metrics(
    request: Request, window: Annotated[str, Depends(known_window)]
) -> AsyncIterable[ServerSentEvent]:
    """Clicks and sessions of the last second; `open_sessions` and `watermark` as they stand."""
    async for tick in resources_of(request).feed.subscribe(window):
        yield ServerSentEvent(event="metrics", id=str(tick["at"]), data=tick)
