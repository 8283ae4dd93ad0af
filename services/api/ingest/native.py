"""`POST /v1/events`, Clickloom's own protocol."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from clickloom.click import Click
from clickloom.errors import RejectedInput
from services.api.ingest import sources
from services.api.ingest.body import MAX_BYTES, read_body
from services.api.ingest.events import MAX_EVENTS, Rejection, Sorted, sort_events, split_json, split_lines
from services.api.ingest.intake import Intake
from services.api.ingest.sender import REFUSALS, SECURITY, sender_of
from services.api.problems import documented, problem_response
from services.api.resources import resources_of

router = APIRouter(tags=["ingest"])

PATHS = frozenset({"/v1/events"})
LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")

_EXAMPLE = {
    "user_id": 64,
    "device_id": "computer",
    "client_event": "beer_vitrine_nav",
    "client_timestamp": "2021-02-26T13:31:00",
}
_EVENT = msgspec.json.schema_components([Click], ref_template="{name}")[1]["Click"] | {"description": "One event."}
_JSON = {
    "schema": {"oneOf": [_EVENT, {"type": "array", "items": _EVENT, "maxItems": MAX_EVENTS}]},
    "examples": {
        "one": {"summary": "the four required fields", "value": _EXAMPLE},
        "several": {"value": [_EXAMPLE, {**_EXAMPLE, "event_id": "e-2", "page_url": "/cart"}]},
    },
}


def _text(description: str) -> dict[str, Any]:
    return {"schema": {"type": "string", "description": description}}


BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": _JSON,
            "text/plain": _text("the same JSON; a page that sends it so needs no preflight"),
            LINES[0]: _text("an event a line"),
        },
    }
}


class Refused(BaseModel):
    index: int = Field(description="of the event in the request, from 0")
    code: str
    message: str = Field(description="what is wrong, and what to do about it")


class Taken(BaseModel):
    accepted: int = Field(description="events that are in the stream, and must not be sent again")
    rejected: list[Refused] = Field(description="events that were refused; they are kept with the reason")


_REFUSED = {"index": 0, "code": "invalid_field", "message": "Object missing required field `user_id`"}
PROBLEMS = {
    **REFUSALS,
    **documented(400, "the body is no JSON: Input data was truncated", code="malformed_json"),
    **documented(408, "the body did not arrive within 10 s; send smaller batches"),
    **documented(413, f"1001 events in one request; send at most {MAX_EVENTS}", code="too_many_events"),
    **documented(415, "content-encoding 'br' is not read; send gzip, or none"),
    **documented(422, "Object missing required field `user_id`", accepted=0, rejected=[_REFUSED]),
    **documented(503, "Redis holds 81.0 MB, and takes no more above REDIS_HIGH_WATER (80% = 80.0 MB); send them again"),
}


@router.post(
    "/v1/events",
    status_code=202,
    summary="Send one event, an array of them, or one a line",
    description=f"At most {MAX_EVENTS} events and {MAX_BYTES} bytes, gzip or not.\n\n202 when every event that is not"
    " listed in `rejected` is in the stream: a bad event does not harm its neighbours. 422 if none was good.",
    response_model=Taken,
    responses=PROBLEMS,
    openapi_extra=BODY | {"security": SECURITY},
)
async def post_events(request: Request) -> JSONResponse:
    resources = resources_of(request)
    intake = Intake.of(resources, sender_of(resources, request), source=sources.HTTP)
    body = await read_body(request)
    try:
        raws = split_lines(body) if _is_lines(request) else split_json(body)
    except RejectedInput as error:
        raise await intake.refuse(error, body) from error
    left = intake.admit(len(raws))
    found = sort_events(raws, intake.terms)
    await intake.store(found)
    return answer(found, left)


def _is_lines(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() in LINES


def answer(found: Sorted, left: dict[str, str]) -> JSONResponse:
    rejected = [_refused(rejection) for rejection in found.rejected]
    if rejected and not found.clicks:
        more = f", and {len(rejected) - 1} more" if len(rejected) > 1 else ""
        return problem_response(422, f"{rejected[0]['message']}{more}", left, accepted=0, rejected=rejected)
    return JSONResponse({"accepted": len(found.clicks), "rejected": rejected}, 202, left)


def _refused(rejection: Rejection) -> dict[str, Any]:
    return {"index": rejection.index, "code": rejection.code, "message": rejection.message}


HOT = {"/v1/events": post_events}  # served without FastAPI's resolving of parameters, which took half of the time
