"""The demo's shop in a browser: a visit from the vitrine to the order, as Clickloom gets to know it."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from httpx import AsyncClient

from clickloom.settings import Settings
from tests.browser.accessible import faults
from tests.browser.conftest import Arrived, Visit
from tests.services.api.conftest import serving


@pytest.fixture
async def shop(settings: Settings) -> AsyncIterator[AsyncClient]:
    async with serving(settings.model_copy(update={"demo_shop": True})) as client:
        yield client


async def test_a_visit_from_the_vitrine_to_the_order_is_told_by_the_names_of_the_original(
    shop: AsyncClient, visit: Visit, arrived: Arrived
) -> None:
    page = await visit.page(f"{shop.base_url}/shop?utm_source=letter")
    landing = await page.evaluate("document.body.dataset.landing")
    await page.click("text=Ales")
    await page.click("text=Red Kite Ale")
    await page.click("text=Into the cart")
    await page.click("text=Into the cart")
    await page.click("text=All drinks")
    await page.click("text=Cart (2)")
    await page.click("text=To the checkout")
    await page.click("text=Place the order")
    await page.wait_for_url("**/thanks*")
    assert "Your order shop-" in await page.inner_text("#thanks")
    [order] = await arrived(1, client_event="beer_checkout")
    told = [click for click in await arrived(1) if click["client_event"].startswith("beer_")]
    assert [click["client_event"] for click in told] == [
        "beer_vitrine_nav",
        "beer_selection",
        "beer_product_detail",
        "beer_products",
        "beer_cart",
        "beer_checkout",
    ]
    assert {str(click["experiments"]) for click in told} == {str({"landing": landing})}
    assert (Decimal(order["revenue"]), order["currency"]) == (Decimal("5.60"), "EUR")
    assert order["order_id"].startswith("shop-")
    assert len({click["user_id"] for click in told}) == 1
    await arrived(2, client_event="add_to_cart")
    assert {click["utm_source"] for click in await arrived(1, client_event="page_view")} >= {"letter"}


async def test_a_click_is_in_the_stream_within_a_moment_and_the_bar_leads_to_the_visitor(
    shop: AsyncClient, visit: Visit, arrived: Arrived
) -> None:
    page = await visit.page(f"{shop.base_url}/shop/a")
    [click] = await arrived(1, client_event="beer_vitrine_nav")
    assert click["user_id"][:8] in await page.inner_text("#visitor")
    async with visit.context.expect_page() as opened:
        await page.click("#dashboard")
    dashboard = await opened.value
    await dashboard.wait_for_selector("main:not([aria-busy]) h1")
    assert click["user_id"] in dashboard.url


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize(
    "path", ["/a", "/b", "/products", "/selection/cider", "/products/zitronat", "/cart", "/checkout"]
)
async def test_all_can_use_it_on_a_phone_too(shop: AsyncClient, visit: Visit, path: str, width: int) -> None:
    page = await visit.page(f"{shop.base_url}/shop{path}")
    await page.set_viewport_size({"width": width, "height": 800})
    assert await faults(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_a_cart_is_emptied_again(shop: AsyncClient, visit: Visit) -> None:
    page = await visit.page(f"{shop.base_url}/shop/products/coalhole")
    await page.click("text=Into the cart")
    await page.goto(f"{shop.base_url}/shop/cart")
    assert "€ 3.20 in all" in await page.inner_text("#cart")
    await page.click("text=Take out")
    assert "It is empty." in await page.inner_text("#cart")
    await page.goto(f"{shop.base_url}/shop/checkout")
    assert await page.inner_text("#due") == "Your cart is empty."
    assert await page.locator("#order").is_hidden()
