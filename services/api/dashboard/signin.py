"""`/signin` and `/signout`: a read key in the form's body, an opaque text in the browser's cookie."""

import re
import time
from html import escape
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from clickloom.access import AccessKey
from services.api.dashboard.files import page
from services.api.dashboard.routes import may_look
from services.api.ingest.body import read_body
from services.api.ingest.sender import address_of
from services.api.page_headers import PAGE_HEADERS
from services.api.readers import check_same_origin
from services.api.resources import resources_of
from services.api.sign_ins import COOKIE

router = APIRouter(include_in_schema=False)

_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")  # no other host, whatever a browser makes of slashes
_MAX_FORM_BYTES = 8_192
_HEADERS = {**PAGE_HEADERS, "Cache-Control": "no-store"}


@router.get("/signin")
async def show_form(request: Request, next: str = "/") -> Response:
    if await may_look(request):
        return RedirectResponse(_local(next), 303, _HEADERS)
    return _form("", next)


@router.post("/signin")
async def sign_in(request: Request) -> Response:
    """Back to the page that was asked for, or the form again with what is wrong."""
    check_same_origin(request)
    form = parse_qs((await read_body(request, max_bytes=_MAX_FORM_BYTES)).decode(errors="replace"))
    text, then = form.get("key", [""])[0].strip(), form.get("next", ["/"])[0]
    standing = resources_of(request).sign_in_attempts.take(address_of(request), 1, time.monotonic())
    if not standing.allowed:
        told = f"Too many tries from this address. Wait {standing.retry_s} s."
        return _form(told, then, 429, {"Retry-After": str(standing.retry_s)})
    key = resources_of(request).access.find(text)
    if fault := _fault(key):
        return _form(fault, then, 401)
    assert key is not None
    return await _signed_in(request, key, then)


def _fault(key: AccessKey | None) -> str:
    """Why nobody can sign in with it; empty if one can."""
    if key is None:
        return "This key is not known, or was revoked."
    if key.kind != "read":
        return "This is a write key: it can only send events. Sign in with a read key."
    return "" if {"read", "admin"} & set(key.scopes) else "This key may not read."


async def _signed_in(request: Request, key: AccessKey, then: str) -> Response:
    """The cookie is not Strict: who follows a link to a view, as from a mail, is signed in there too.

    What that leaves open, a page elsewhere that makes the browser ask, `check_same_origin` closes.
    """
    sign_ins = resources_of(request).sign_ins
    text = await sign_ins.begin(key.key_id)
    response = RedirectResponse(_local(then), 303, _HEADERS)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, text, max_age=sign_ins.lasts_s, httponly=True, samesite="lax", secure=secure)
    return response


@router.post("/signout")
async def sign_out(request: Request) -> Response:
    check_same_origin(request)
    if (text := request.cookies.get(COOKIE)) is not None:
        await resources_of(request).sign_ins.end(text)
    response = RedirectResponse("/signin", 303, _HEADERS)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=request.url.scheme == "https")
    return response


def _local(path: str) -> str:
    return path if _LOCAL.fullmatch(path) else "/"


def _form(fault: str, then: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    written = page("signin.html").plain.decode()
    shown = f'<p class="fault" role="alert" id="fault">{escape(fault)}</p>' if fault else ""
    written = written.replace("{{fault}}", shown).replace("{{next}}", escape(_local(then), quote=True))
    return HTMLResponse(written, status, {**_HEADERS, **(headers or {})})
