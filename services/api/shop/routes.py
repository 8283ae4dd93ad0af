"""`/shop`, while the demo runs."""

import secrets
from functools import cache
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.api.page_headers import PAGE_HEADERS
from services.api.problems import Problem
from services.api.resources import resources_of
from services.api.served_files import ServedFile, file_response, read_file
from services.api.shop import pages
from services.api.shop.catalogue import PRODUCTS, STYLES

ONLY_IN_THE_DEMO = "the shop is there while the demo runs: `make demo`, or `clickloom up --demo`"
NO_KEY = (
    "Nothing is sent, for AUTH is on and no write key is for this address:"
    ' `clickloom keys create write --name "the shop" --site shop` makes one.'
)
LANDING = "landing"  # the cookie that keeps a visitor on their side of the experiment
_REMEMBERED_S = 30 * 86_400
_FILES = ("shop.css", "shop.js", "icon.svg")


def in_the_demo(request: Request) -> None:
    """Raises Problem: 404."""
    if not resources_of(request).demo_shop:
        raise Problem(404, ONLY_IN_THE_DEMO)


router = APIRouter(prefix="/shop", include_in_schema=False, dependencies=[Depends(in_the_demo)])


def what_is_around(request: Request) -> pages.Around:
    """The tracker's key, and the visitor's side of the experiment."""
    variant = request.cookies.get(LANDING, "")
    variant = variant if variant in pages.VARIANTS else secrets.choice(pages.VARIANTS)
    access = resources_of(request).access
    if access.off:
        return pages.Around(None, variant)
    key = access.write_key_for(f"{request.url.scheme}://{request.url.netloc}")
    return pages.Around(key, variant, "" if key else NO_KEY)


Around = Annotated[pages.Around, Depends(what_is_around)]


@router.get("")
async def enter(request: Request, around: Around) -> Response:
    """To one of the two landing pages, and again to the same one; the campaign in the address goes along."""
    query = f"?{request.url.query}" if request.url.query else ""
    return _remembering(RedirectResponse(f"/shop/{around.variant}{query}", 303, PAGE_HEADERS), around.variant)


def _remembering(response: Response, variant: str) -> Response:
    response.set_cookie(LANDING, variant, max_age=_REMEMBERED_S, path="/shop", samesite="lax", httponly=True)
    return response


@router.get("/a")
async def landing_a(around: Around) -> Response:
    return _landing("a", around)


@router.get("/b")
async def landing_b(around: Around) -> Response:
    return _landing("b", around)


def _landing(variant: str, around: pages.Around) -> Response:
    """Who opens one by its address is on that side from then on."""
    return _remembering(_shown(pages.landing(pages.Around(around.key, variant, around.fault))), variant)


def _shown(page: str) -> Response:
    return HTMLResponse(page, headers=PAGE_HEADERS)


@router.get("/products")
async def products(around: Around) -> Response:
    return _remembering(_shown(pages.products(around)), around.variant)


@router.get("/products/{slug}")
async def detail(slug: str, around: Around) -> Response:
    if slug not in PRODUCTS:
        raise Problem(404, f"the shop has no {slug}; one of {', '.join(PRODUCTS)}")
    return _remembering(_shown(pages.detail(PRODUCTS[slug], around)), around.variant)


@router.get("/selection/{style}")
async def selection(style: str, around: Around) -> Response:
    if style not in STYLES:
        raise Problem(404, f"the shop has no {style}; one of {', '.join(STYLES)}")
    return _remembering(_shown(pages.selection(style, around)), around.variant)


@router.get("/cart")
async def cart(around: Around) -> Response:
    return _shown(pages.cart(around))


@router.get("/checkout")
async def checkout(around: Around) -> Response:
    return _shown(pages.checkout(around))


@router.get("/thanks")
async def thanks(around: Around) -> Response:
    return _shown(pages.thanks(around))


@router.get("/files/{name}")
async def get_file(request: Request, name: str) -> Response:
    if name not in _FILES:
        raise Problem(404, f"the shop has no file {name}")
    return file_response(request, _file(name), {"Cache-Control": "no-cache"})


@cache
def _file(name: str) -> ServedFile:
    return read_file(files("services.api.shop") / "static" / name)
