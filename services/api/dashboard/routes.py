"""`/` and the other pages of the dashboard, and `/app/…`, what they are made of."""

import asyncio
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from services.api.dashboard.files import CHARTS_VERSION, app_files, charts, page
from services.api.page_headers import PAGE_HEADERS
from services.api.problems import Problem
from services.api.readers import signed_in_key
from services.api.resources import resources_of
from services.api.served_files import file_response

router = APIRouter(include_in_schema=False)

VIEWS = ("live", "overview", "funnel", "paths", "retention", "sessions", "health")
CHARTS = f"/app/charts/plotly-{CHARTS_VERSION}.min.js"
_FOR_EVER = "public, max-age=31536000, immutable"


@router.get("/")
async def show_dashboard(request: Request) -> Response:
    """The same page for every view: it reads from its address which, and of what."""
    if not await may_look(request):
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/signin?next={quote(asked, safe='')}", 303, PAGE_HEADERS)
    resources = resources_of(request)
    told = {"auth": "off" if resources.access.off else "on", "shop": "on" if resources.demo_shop else "off"}
    return file_response(request, page("index.html", charts=CHARTS, **told), PAGE_HEADERS)


for _view in VIEWS:
    router.add_api_route(f"/{_view}", show_dashboard, methods=["GET"])


async def may_look(request: Request) -> bool:
    """Whether the page may be shown; a sign-in that has ended is none."""
    if resources_of(request).access.off:
        return True
    try:
        return await signed_in_key(request) is not None
    except Problem as problem:
        if problem.status == 401:
            return False
        raise


@router.get(CHARTS)
async def get_charts(request: Request) -> Response:
    file = await asyncio.to_thread(charts)  # events must not wait for the packing
    return file_response(request, file, {"Cache-Control": _FOR_EVER})


@router.get("/app/{path:path}")
async def get_file(request: Request, path: str) -> Response:
    file = app_files().get(path)
    if file is None:
        raise Problem(404, f"the dashboard has no file {path}")
    return file_response(request, file, {"Cache-Control": "no-cache"})
