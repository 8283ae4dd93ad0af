"""`GET /pixel.gif`: one event of a page or a letter that cannot run the tracker."""

import base64
from collections.abc import Mapping

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.api.ingest import sources
from services.api.ingest.events import sort_events
from services.api.ingest.intake import Intake
from services.api.ingest.native import PROBLEMS, answer
from services.api.ingest.page_clicks import PAGE_VIEW, origin_of, page_parser
from services.api.ingest.sender import MAX_USER_AGENT, SECURITY, sender_of
from services.api.ingest.tracker import visitor_of
from services.api.resources import resources_of

router = APIRouter(tags=["ingest"])

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # one point, transparent
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",  # for pages that let in only who says so
}


@router.get(
    "/pixel.gif",
    summary="Send one event by loading an image",
    description="The fields of an event are query parameters: `page_url`, `referrer`, `utm_source` and so on; the event"
    f" is a `{PAGE_VIEW}` of the page that shows the image unless they say otherwise, and happens now. A visitor"
    " without `user_id` is known for the day. A browser that asks not to be tracked gets the image and sends nothing.",
    response_class=Response,
    responses=PROBLEMS | {200: {"description": "it is in the stream", "content": {"image/gif": {}}}},
    openapi_extra={"security": SECURITY},
)
async def get_pixel(request: Request) -> Response:
    resources = resources_of(request)
    page = request.headers.get("referer")
    sender = sender_of(resources, request, origin=origin_of(page))
    if asks_for_privacy(request.headers):
        return Response(GIF, 200, _HEADERS, "image/gif")
    intake = Intake.of(resources, sender, source=sources.PIXEL)
    left = intake.admit(1)
    fields = {name: value for name, value in request.query_params.items() if name != "key"}
    now = {"client_event": PAGE_VIEW, "client_timestamp": intake.terms.received_us // 1_000, "page_url": page}
    agent = request.headers.get("user-agent", "")[:MAX_USER_AGENT]
    visitor = await visitor_of(intake, agent)
    parse = page_parser(visitor=visitor, user_agent=agent, received_us=intake.terms.received_us)
    found = sort_events([msgspec.json.encode(now | fields)], intake.terms, parse)
    await intake.store(found)
    return Response(GIF, 200, _HEADERS | left, "image/gif") if found.clicks else answer(found, left)


def asks_for_privacy(headers: Mapping[str, str]) -> bool:
    """Global Privacy Control, or Do Not Track."""
    return headers.get("sec-gpc") == "1" or headers.get("dnt") == "1"
