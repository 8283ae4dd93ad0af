"""`GET /t.js`, the browser tracker: the file beside this one, without its comments and indentation."""

import re
from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.api.served_files import ServedFile, file_response, made_of

router = APIRouter(tags=["ingest"])

HOLDS = "public, max-age=3600, stale-while-revalidate=86400"  # seconds
_COMMENT = re.compile(r"(^|\s+)// .*$", re.MULTILINE)
_SPACE = re.compile(r"^\s+", re.MULTILINE)
_HEADERS = {
    "Cache-Control": HOLDS,
    "Access-Control-Allow-Origin": "*",  # for pages that load it with `crossorigin`
    "Cross-Origin-Resource-Policy": "cross-origin",  # for pages that let in only who says so
}


def _made() -> ServedFile:
    source = (files("services.api.ingest") / "static" / "t.js").read_text("utf-8")
    return made_of(_SPACE.sub("", _COMMENT.sub("", source)).encode(), "text/javascript")


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
    return file_response(request, SCRIPT, _HEADERS)


@router.head("/t.js", include_in_schema=False)
async def head_script(request: Request) -> Response:
    return await get_script(request)
