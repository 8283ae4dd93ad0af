"""`POST /v1/batch`, `/v1/track` and its kin, as Segment's clients know them."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from clickloom.errors import RejectedInput
from clickloom.times import iso
from services.api.ingest import sources
from services.api.ingest.body import read_body
from services.api.ingest.events import Sorted, sort_events
from services.api.ingest.intake import Intake
from services.api.ingest.native import Refused
from services.api.ingest.segment.message import (
    KINDS,
    MAX_MESSAGE_BYTES,
    MAX_MESSAGES,
    Batch,
    Kind,
    click_parser,
    read_batch,
    read_single,
)
from services.api.ingest.sender import REFUSALS, SECURITY, key_text, sender_of
from services.api.problems import documented
from services.api.resources import resources_of

Endpoint = Callable[[Request], Awaitable[JSONResponse]]

router = APIRouter(tags=["ingest, as Segment's"])

MAX_BATCH_BYTES = 500 * 1024
_BATCHES = ("/v1/batch", "/v1/import", "/v1/b")  # the second of old mobile clients, the third of browsers
_SINGLES: dict[str, Kind] = {f"/v1/{path}": kind for kind in KINDS for path in (kind, kind[0])}  # browsers send /v1/t
PATHS = frozenset({*_BATCHES, *_SINGLES})


class Success(BaseModel):
    """Segment's own answer; `rejected` is there only if there is any."""

    success: bool = True
    rejected: list[Refused] = Field([], description="messages that made no click; they are kept with the reason")


_MESSAGE = {
    "anonymousId": "507f191e",
    "event": "Order Completed",
    "properties": {"order_id": "50314b8e", "total": 30, "currency": "EUR"},
    "messageId": "m-1",
}
_EXAMPLES: dict[str, dict[str, Any]] = {
    "track": {},
    "page": {"name": "Home", "context": {"page": {"url": "https://shop.example/"}}},
    "screen": {"name": "Cart"},
    "identify": {"userId": "u-42", "traits": {"plan": "free"}},
    "group": {"userId": "u-42", "groupId": "g-7"},
    "alias": {"userId": "u-42", "previousId": "507f191e"},
}
_PROBLEMS = {
    **REFUSALS,
    **documented(400, "the body is no JSON: Input data was truncated", code="malformed_json"),
    **documented(408, "the body did not arrive within 10 s; send smaller batches"),
    **documented(415, "content-encoding 'br' is not read; send gzip, or none"),
    **documented(503, "Redis holds 81.0 MB, and takes no more above REDIS_HIGH_WATER (80% = 80.0 MB); send them again"),
}


def _example(kind: Kind) -> dict[str, Any]:
    own = _EXAMPLES[kind]
    return {"anonymousId": _MESSAGE["anonymousId"], **own} if own else _MESSAGE


def _described(example: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}, "example": example}}
    return {"requestBody": {"required": True, "content": content}, "security": SECURITY}


_BATCH_SUMMARY = f"Segment's batch: at most {MAX_MESSAGES:,} messages and {MAX_BATCH_BYTES // 1024} KB"
_BATCH_EXAMPLE = {"batch": [{"type": kind, **_example(kind)} for kind in KINDS], "sentAt": "2026-11-24T16:27:34.395Z"}


async def _take(request: Request, kind: Kind | None) -> JSONResponse:
    """kind: of the one message that the body is; None: it is a batch."""
    resources = resources_of(request)
    max_bytes = MAX_BATCH_BYTES if kind is None else MAX_MESSAGE_BYTES
    body = await read_body(request, max_bytes=max_bytes, too_large=400)
    try:
        batch = read_batch(body) if kind is None else read_single(body)
    except RejectedInput as error:
        intake = Intake.of(resources, sender_of(resources, request), source=sources.SEGMENT)
        raise await intake.refuse(error, body) from error
    sender = sender_of(resources, request, key_text(request.headers, request.query_params) or batch.write_key)
    intake = Intake.of(resources, sender, source=sources.SEGMENT)
    left = intake.admit(len(batch.batch))
    found = _sorted(batch, kind, intake)
    await intake.store(found)
    return JSONResponse(_answer(found), headers=left)


def _sorted(batch: Batch, kind: Kind | None, intake: Intake) -> Sorted:
    terms = intake.terms
    parse = click_parser(kind, sent_at=batch.sent_at, received=iso(terms.received_us), privacy=terms.privacy)
    return sort_events(batch.batch, terms, parse)


def _answer(found: Sorted) -> dict[str, Any]:
    refused = [{"index": one.index, "code": one.code, "message": one.message} for one in found.rejected]
    return {"success": True, "rejected": refused} if refused else {"success": True}


def _taking(kind: Kind | None) -> Endpoint:
    async def take(request: Request) -> JSONResponse:
        return await _take(request, kind)

    return take


def _describe(path: str, endpoint: Endpoint, *, summary: str, example: dict[str, Any]) -> None:
    router.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        name=f"segment{path.replace('/', '_')}",
        summary=summary,
        response_model=Success,
        responses=_PROBLEMS,
        openapi_extra=_described(example),
    )


HOT = {path: _taking(None) for path in _BATCHES} | {path: _taking(kind) for path, kind in _SINGLES.items()}

for _path, _endpoint in HOT.items():
    if _path in _SINGLES:
        _kind = _SINGLES[_path]
        _describe(_path, _endpoint, summary=f"Segment's {_kind}: a message of at most 32 KB", example=_example(_kind))
    else:
        _describe(_path, _endpoint, summary=_BATCH_SUMMARY, example=_BATCH_EXAMPLE)
