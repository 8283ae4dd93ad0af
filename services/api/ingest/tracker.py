"""`POST /v1/page-events`: what the browser tracker sends."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError

from clickloom.click import DEFAULT_SITE
from clickloom.errors import RejectedInput
from services.api.ingest import sources
from services.api.ingest.body import read_body
from services.api.ingest.events import sort_events, split_json
from services.api.ingest.intake import Intake, unavailable
from services.api.ingest.native import BODY, PROBLEMS, Taken, answer
from services.api.ingest.page_clicks import page_parser
from services.api.ingest.sender import MAX_USER_AGENT, SECURITY, sender_of
from services.api.resources import resources_of

router = APIRouter(tags=["ingest"])

PATHS = frozenset({"/v1/page-events"})


@router.post(
    "/v1/page-events",
    status_code=202,
    summary="Send events of a page",
    description="As `/v1/events`, but `user_id` and `device_id` may be left out: a visitor without an id is told from"
    " others for the day, by the site, the address and the user agent, of which a salted hash is kept. `utm_*` of a"
    " `page_view` are taken from its `page_url`.",
    response_model=Taken,
    responses=PROBLEMS,
    openapi_extra=BODY | {"security": SECURITY},
)
async def post_page_events(request: Request) -> JSONResponse:
    resources = resources_of(request)
    intake = Intake.of(resources, sender_of(resources, request), source=sources.TRACKER)
    body = await read_body(request)
    try:
        raws = split_json(body)
    except RejectedInput as error:
        raise await intake.refuse(error, body) from error
    left = intake.admit(len(raws))
    agent = request.headers.get("user-agent", "")[:MAX_USER_AGENT]
    visitor = await visitor_of(intake, agent)
    parse = page_parser(visitor=visitor, user_agent=agent, received_us=intake.terms.received_us)
    found = sort_events(raws, intake.terms, parse)
    await intake.store(found)
    return answer(found, left)


async def visitor_of(intake: Intake, user_agent: str) -> str:
    """The id for the day of whoever sends this. Raises Problem."""
    try:
        return await intake.resources.visitors.visitor(
            site_id=intake.sender.site_id or DEFAULT_SITE,
            address=intake.sender.address,
            user_agent=user_agent,
            now_us=intake.terms.received_us,
        )
    except (RedisError, OSError) as error:
        raise unavailable("the stream cannot take events now") from error


HOT = {"/v1/page-events": post_page_events}  # as native.HOT
