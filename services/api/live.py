"""`GET /v1/live/metrics`: server-sent events."""

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.api.query import check_window
from services.api.resources import resources_of

router = APIRouter(tags=["live"])


@router.get("/v1/live/metrics", response_class=EventSourceResponse, summary="Live numbers, once a second")
async def live_metrics(
    request: Request, window: Annotated[str, Query(description="the window's name")] = "visits"
) -> AsyncIterable[ServerSentEvent]:
    """Clicks and sessions of the last second; `open_sessions` and `watermark` as they stand."""
    resources = resources_of(request)
    check_window(resources, window)
    async for tick in resources.feed.subscribe(window):
        yield ServerSentEvent(event="metrics", id=str(tick["at"]), data=tick)
