"""The body of a request that brings events: bounded in time and size, unpacked."""

import asyncio
import zlib

from fastapi import Request
from starlette.requests import ClientDisconnect

from services.api.problems import Problem

MAX_BYTES = 1024 * 1024  # as it comes, and unpacked
ARRIVES_WITHIN_S = 10

_GZIP_BITS = 31  # of zlib: a gzip header


class _TooLargeError(Exception):
    pass


async def read_body(request: Request, *, max_bytes: int = MAX_BYTES, too_large: int = 413) -> bytes:
    """too_large: the status of a body that is.

    Raises Problem: that, or 400, 408 or 415.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Problem(415, f"content-encoding {encoding!r} is not read; send gzip, or none")
    try:
        async with asyncio.timeout(ARRIVES_WITHIN_S):
            body = await _received(request, max_bytes)
        return _unpacked(body, max_bytes) if encoding == "gzip" else body
    except TimeoutError as error:
        reason = f"the body did not arrive within {ARRIVES_WITHIN_S} s; send smaller batches"
        raise Problem(408, reason, headers={"Connection": "close"}) from error
    except ClientDisconnect as error:
        raise Problem(400, "the client hung up before the body was whole") from error
    except _TooLargeError as error:
        reason = f"the body is larger than {max_bytes} bytes; send smaller batches"
        raise Problem(too_large, reason, code="body_too_large") from error


async def _received(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > max_bytes:
            raise _TooLargeError
    return bytes(body)


def _unpacked(body: bytes, max_bytes: int) -> bytes:
    """Never more than max_bytes of memory, whatever a few bytes would unpack to."""
    unpacked = bytearray()
    try:
        while body:
            unpacking = zlib.decompressobj(_GZIP_BITS)
            unpacked += unpacking.decompress(body, max_bytes + 1 - len(unpacked))
            if len(unpacked) > max_bytes:
                raise _TooLargeError
            if not unpacking.eof:
                raise zlib.error("it is cut short")
            body = unpacking.unused_data  # a file may have several members
    except zlib.error as error:
        raise Problem(400, f"the body is no gzip: {error}", code="malformed_gzip") from error
    return bytes(unpacked)
