"""`POST /v1/events`."""

import asyncio
import secrets
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from redis.exceptions import RedisError

from clickloom.click import Click
from clickloom.errors import RejectedInput
from clickloom.metrics import EVENTS_ACCEPTED, EVENTS_REJECTED
from clickloom.times import now_us
from clickloom.wire import MAX_PAYLOAD, RejectedEvent
from services.api.batches import MAX_BYTES, MAX_EVENTS, Rejection, Sorted, sort_events
from services.api.problems import Problem, documented, problem_response
from services.api.resources import Resources, resources_of

router = APIRouter(tags=["ingest"])

STORED_WITHIN_S = 5
RETRY_AFTER_S = "1"

_EXAMPLE = {
    "user_id": 64,
    "device_id": "computer",
    "client_event": "beer_vitrine_nav",
    "client_timestamp": "2021-02-26T13:31:00",
}
_EVENT = msgspec.json.schema_components([Click], ref_template="{name}")[1]["Click"] | {"description": "One event."}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [_EVENT, {"type": "array", "items": _EVENT, "maxItems": MAX_EVENTS}]},
                "examples": {
                    "one": {"summary": "the four required fields", "value": _EXAMPLE},
                    "several": {"value": [_EXAMPLE, {**_EXAMPLE, "event_id": "e-2", "page_url": "/cart"}]},
                },
            }
        },
    }
}


class Taken(BaseModel):
    accepted: int = Field(description="events that are in the stream")
    rejected: list[Any] = Field(description="empty; a request with refused events is answered 422")


_REFUSED = {"index": 1, "code": "invalid_field", "message": "Object missing required field `user_id`"}
_PROBLEMS = {
    **documented(400, "the body is no JSON: Input data was truncated", code="malformed_json"),
    **documented(413, f"1001 events in one request; send at most {MAX_EVENTS}", code="too_many_events"),
    **documented(422, f"1 of 3 events refused; {_REFUSED['message']}", accepted=2, rejected=[_REFUSED]),
    **documented(503, "Redis holds 81.0 MB, and takes no more above REDIS_HIGH_WATER (80% = 80.0 MB); send them again"),
}


@router.post(
    "/v1/events",
    status_code=202,
    summary="Send one event, or an array of them",
    response_model=Taken,
    responses=_PROBLEMS,
    openapi_extra=_BODY,
)
async def post_events(request: Request) -> JSONResponse:
    """202 when every event is in the stream. 422 if any is refused: `rejected` names each by its index, with the
    reason; the others of the batch, `accepted`, are in the stream all the same and must not be sent again."""
    resources = resources_of(request)
    if resources.pressure.trouble:
        raise _unavailable(resources.pressure.trouble)
    received_us = now_us()
    body = await _body(request)
    try:
        found = sort_events(
            body,
            received_us=received_us,
            future_bound_us=resources.future_bound_us,
            random_bits=secrets.randbits(74),
        )
    except RejectedInput as error:
        raise Problem(400 if error.code == "malformed_json" else 413, str(error), code=error.code) from error
    await _store(resources, found, received_us)
    return _answer(found)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BYTES:
            raise Problem(413, f"the body is larger than {MAX_BYTES} bytes; send smaller batches")
    return bytes(body)


async def _store(resources: Resources, found: Sorted, received_us: int) -> None:
    rejected = [_rejected_event(rejection, received_us) for rejection in found.rejected]
    try:
        async with asyncio.timeout(STORED_WITHIN_S):
            if rejected:
                await resources.publisher.reject(rejected)
            if found.clicks:
                await resources.lingering.publish(found.clicks)
    except (RedisError, OSError, TimeoutError) as error:
        raise _unavailable("the stream cannot take events now") from error


def _unavailable(reason: str) -> Problem:
    return Problem(503, f"{reason}; send them again", headers={"Retry-After": RETRY_AFTER_S})


def _rejected_event(rejection: Rejection, received_us: int) -> RejectedEvent:
    return RejectedEvent(
        rejected_us=received_us,
        source="http",
        code=rejection.code,
        message=rejection.message,
        payload=rejection.payload[:MAX_PAYLOAD],
    )


def _answer(found: Sorted) -> JSONResponse:
    EVENTS_ACCEPTED.inc(len(found.clicks))
    listed = [{"index": r.index, "code": r.code, "message": r.message} for r in found.rejected]
    if not found.rejected:
        return JSONResponse({"accepted": len(found.clicks), "rejected": []}, 202)
    for rejection in found.rejected:
        EVENTS_REJECTED.labels(rejection.code).inc()
    detail = f"{len(listed)} of {len(listed) + len(found.clicks)} events refused; {listed[0]['message']}"
    return problem_response(422, detail, accepted=len(found.clicks), rejected=listed)
