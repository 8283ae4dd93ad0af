"""`POST /kinesis`, an endpoint for AWS' SDKs."""

import json
from base64 import b64encode
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from clickloom.times import now_us
from services.api.ingest.body import read_body
from services.api.ingest.kinesis.errors import AwsError, as_aws
from services.api.ingest.kinesis.operations import OPERATIONS, Answer, Call
from services.api.ingest.kinesis.signature import Claim, Signed, check_signature, claim_of
from services.api.ingest.sender import Sender, address_of
from services.api.problems import Problem
from services.api.resources import Resources, resources_of

router = APIRouter(tags=["ingest, as Kinesis'"])

MEDIA_TYPE = "application/x-amz-json-1.1"
MAX_BYTES = 7 * 1024 * 1024  # Kinesis' 5 MiB, in base64
_TARGET = "Kinesis_20131202."
_SOME_REGION = "us-east-1"

_EVENT = {
    "user_id": 64,
    "device_id": "computer",
    "client_event": "beer_vitrine_nav",
    "client_timestamp": "2021-02-26T13:31:00",
}
_EXAMPLE = {"StreamName": "clicks", "PartitionKey": "64", "Data": b64encode(json.dumps(_EVENT).encode()).decode()}
_PUT = {"ShardId": "shardId-000000000003", "SequenceNumber": "17955475003350000000000000000000000000"}
_SIGNED = "The request is not signed: it has no Authorization."


def _content(example: dict[str, Any]) -> dict[str, Any]:
    return {"content": {MEDIA_TYPE: {"schema": {"type": "object"}, "example": example}}}


_DESCRIPTION: dict[str, Any] = {
    "requestBody": {"required": True, **_content(_EXAMPLE)},
    "parameters": [
        {
            "name": "X-Amz-Target",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "enum": [f"{_TARGET}{operation}" for operation in OPERATIONS]},
        }
    ],
    "security": [{"AWS signature": []}],
}
SCHEME = {
    "AWS signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "Signature Version 4, with a pair of KINESIS_KEYS",
    }
}
_ERROR = {
    "description": "an error, as AWS has them",
    **_content({"__type": "MissingAuthenticationTokenException", "message": _SIGNED}),
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "the record is in the stream", **_content(_PUT)},
    400: _ERROR,
    503: _ERROR,
}


@router.post(
    "/kinesis",
    summary="Kinesis Data Streams, for those who put records",
    description="For AWS' SDKs, with this as their `endpoint_url`. `Data` is one event of `/v1/events`, in base64.",
    responses=_RESPONSES,
    openapi_extra=_DESCRIPTION,
)
async def post_kinesis(request: Request) -> JSONResponse:
    resources = resources_of(request)
    try:
        return _response(await _answered(request, resources))
    except Problem as problem:
        error = as_aws(problem, full=bool(resources.pressure.trouble))
    except AwsError as raised:
        error = raised
    return _response({"__type": error.code, "message": error.message}, error.status)


async def _answered(request: Request, resources: Resources) -> Answer:
    """Raises AwsError or Problem."""
    signed = _signed(request)
    claim = None if resources.access.off else claim_of(signed, resources.signing_keys, now_us())
    operation = OPERATIONS.get(request.headers.get("x-amz-target", "").removeprefix(_TARGET))
    if operation is None:
        reason = f"X-Amz-Target must be {_TARGET} and one of {', '.join(OPERATIONS)}."
        raise AwsError("UnknownOperationException", reason)
    if "cbor" in request.headers.get("content-type", ""):
        reason = f"CBOR is not read: have the SDK send {MEDIA_TYPE} (AWS_CBOR_DISABLE=1)."
        raise AwsError("SerializationException", reason)
    body = await read_body(request, max_bytes=MAX_BYTES)
    if claim is not None:
        check_signature(claim, signed, body)
    return await operation(_call(request, resources, claim, body))


def _call(request: Request, resources: Resources, claim: Claim | None, body: bytes) -> Call:
    address = address_of(request)
    if claim is None:
        return Call(resources, Sender(None, None, address), _SOME_REGION, body)
    return Call(resources, Sender(claim.key.access_key, claim.key.site_id, address), claim.region, body)


def _signed(request: Request) -> Signed:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    path = request.scope["raw_path"].decode("latin-1").partition("?")[0]
    return Signed(request.method, path, request.url.query, headers)


def _response(content: dict[str, Any], status: int = 200) -> JSONResponse:
    return JSONResponse(content, status, {"x-amzn-RequestId": str(uuid4())}, media_type=MEDIA_TYPE)


HOT = {"/kinesis": post_kinesis, "/kinesis/": post_kinesis}
