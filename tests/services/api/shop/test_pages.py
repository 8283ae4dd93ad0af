"""The demo's shop: there in the demo alone, with the tracker and the events of the original system."""

import re
from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient

from clickloom.settings import Settings
from services.api.shop.catalogue import PRODUCTS, STYLES, of_style
from services.api.shop.routes import NO_KEY, ONLY_IN_THE_DEMO
from tests.services.api.conftest import Make, serving
from tests.services.api.ingest.test_native import problem

PAGES = ["/a", "/b", "/products", "/selection/ale", "/products/kite", "/cart", "/checkout", "/thanks"]
EVENTS = {
    "/a": "beer_vitrine_nav",
    "/b": "beer_vitrine_nav",
    "/products": "beer_products",
    "/selection/ale": "beer_selection",
    "/products/kite": "beer_product_detail",
    "/cart": "beer_cart",
}


@pytest.fixture
def demo(settings: Settings) -> Settings:
    return settings.model_copy(update={"demo_shop": True})


@pytest.fixture
async def shop(demo: Settings) -> AsyncIterator[AsyncClient]:
    async with serving(demo) as client:
        yield client


async def test_without_the_demo_there_is_no_shop_and_the_answer_says_how_to_get_it(api: AsyncClient) -> None:
    for path in ("/shop", "/shop/cart", "/shop/files/shop.js"):
        assert problem(await api.get(path), 404)["detail"] == ONLY_IN_THE_DEMO


@pytest.mark.parametrize("path", PAGES)
async def test_each_page_carries_the_tracker_and_tells_its_event(shop: AsyncClient, path: str) -> None:
    page = await shop.get(f"/shop{path}")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert '<script defer src="/t.js"></script>' in page.text
    assert re.findall(r'data-event="([^"]*)"', page.text) == [EVENTS.get(path, "")]


async def test_every_link_of_the_shop_leads_somewhere(shop: AsyncClient) -> None:
    seen, left = set(), {"/shop/a", "/shop/b"}
    while left:
        path = left.pop()
        seen.add(path)
        page = await shop.get(path, follow_redirects=True)
        assert page.status_code == 200, path
        if page.headers["content-type"].startswith("text/html"):
            left |= {link for link in re.findall(r'(?:href|src)="(/[^"]*)"', page.text) if link not in seen}
    assert len([path for path in seen if path.startswith("/shop/products/")]) == len(PRODUCTS)


async def test_a_visitor_is_shown_one_of_two_landing_pages_and_the_same_one_again(demo: Settings) -> None:
    shown = set()
    async with serving(demo) as shop:
        for _ in range(40):
            shop.cookies.clear()
            first = (await shop.get("/shop?utm_source=letter")).headers["location"]
            assert {(await shop.get("/shop?utm_source=letter")).headers["location"] for _ in range(3)} == {first}
            shown.add(first)
    assert shown == {"/shop/a?utm_source=letter", "/shop/b?utm_source=letter"}


async def test_who_opens_a_landing_page_by_its_address_is_on_that_side(shop: AsyncClient) -> None:
    for variant in ("b", "a"):
        await shop.get(f"/shop/{variant}")
        assert f'data-landing="{variant.upper()}"' in (await shop.get("/shop/cart")).text


async def test_with_keys_the_tracker_has_the_one_for_this_address_and_without_it_the_page_says_so(
    make: Make, demo: Settings
) -> None:
    locked = demo.model_copy(update={"auth": "on"})
    await make("write", "blog", origins=["https://blog.example"])
    async with serving(locked) as shop:
        page = (await shop.get("/shop/a")).text
        assert "t.js" not in page
        assert NO_KEY.split(":")[0] in page
    key = await make("write", "shop")
    async with serving(locked) as shop:
        assert f'src="/t.js" data-key="{key}"' in (await shop.get("/shop/a")).text


async def test_what_the_shop_does_not_have_is_named_with_what_it_has(shop: AsyncClient) -> None:
    assert "kite" in problem(await shop.get("/shop/products/water"), 404)["detail"]
    assert "ale" in problem(await shop.get("/shop/selection/water"), 404)["detail"]
    assert (await shop.get("/shop/files/routes.py")).status_code == 404


def test_there_is_something_of_every_style() -> None:
    assert all(len(of_style(style)) >= 2 for style in STYLES)
