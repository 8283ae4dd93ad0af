"""`GET /t.js`, the browser tracker: the file beside this one, without its comments and indentation."""

import gzip
import re
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response

router = APIRouter(tags=["ingest"])

HOLDS = "public, max-age=3600, stale-while-revalidate=86400"  # seconds
_COMMENT = re.compile(r"(^|\s+)// .*$", re.MULTILINE)
_SPACE = re.compile(r"^\s+", re.MULTILINE)


class Script(NamedTuple):
    """What is served, made once."""

    plain: bytes
    packed: bytes
    etag: str


def _made() -> Script:
    source = (files("services.api.ingest") / "static" / "t.js").read_text("utf-8")
    plain = _SPACE.sub("", _COMMENT.sub("", source)).encode()
    return Script(plain, gzip.compress(plain, mtime=0), f'W/"{sha256(plain).hexdigest()[:16]}"')


SCRIPT = _made()


@router.get(
    "/t.js",
    summary="The browser tracker",
    description='For pages: `<script defer src="https://host/t.js" data-key="clw_…"></script>`. Needs no key itself.',
    response_class=Response,
    responses={
        200: {"content": {"text/javascript": {"schema": {"type": "string"}}}},
        304: {"description": "the one that the browser has is the newest"},
    },
)
async def get_script(request: Request) -> Response:
    headers = {
        "Cache-Control": HOLDS,
        "ETag": SCRIPT.etag,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        "Access-Control-Allow-Origin": "*",  # for pages that load it with `crossorigin`
        "Cross-Origin-Resource-Policy": "cross-origin",  # for pages that let in only who says so
    }
    if _has_it(request.headers.get("if-none-match", "")):
        return Response(None, 304, headers)
    if _takes_gzip(request.headers.get("accept-encoding", "")):
        return Response(SCRIPT.packed, 200, headers | {"Content-Encoding": "gzip"}, "text/javascript")
    return Response(SCRIPT.plain, 200, headers, "text/javascript")


def _has_it(if_none_match: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return SCRIPT.etag.removeprefix("W/") in tags or tags == ["*"]


def _takes_gzip(accept_encoding: str) -> bool:
    """Whether it is among the codings, and not as `gzip;q=0`."""
    for coding in accept_encoding.lower().split(","):
        name, _, quality = coding.replace(" ", "").partition(";q=")
        if name in ("gzip", "*"):
            return quality.rstrip("0.") != "" or not quality
    return False


@router.head("/t.js", include_in_schema=False)
async def head_script(request: Request) -> Response:
    return await get_script(request)
