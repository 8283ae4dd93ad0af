"""The live view in a browser: it moves, its numbers are those of the API, and it says when the feed is cut and back."""

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from httpx import AsyncClient
from playwright.async_api import Page, Request

from clickloom.settings import Settings
from clickloom.times import MINUTE_US, now_us
from tests.browser.accessible import faults
from tests.browser.conftest import Visit
from tests.processes import Process, Start, until
from tests.services.api.conftest import serving

AGO_US = 32 * MINUTE_US  # a visit from then closes at once, and can still be revised
LATEST = ".closing tbody tr:first-child td"
FEED = ".sign[data-feed='{}']"


@dataclass
class System:
    """An API of its own process on a port that stays the same, and a sessionizer behind it."""

    start: Start
    port: int
    api: Process

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def again(self) -> None:
        self.api = self.start("api", PORT=str(self.port))
        await self.api.logged("api.listening")

    async def send(self, *events: dict[str, Any]) -> None:
        async with AsyncClient(base_url=self.address, timeout=30) as client:
            answer = await client.post("/v1/events", json=list(events))
            assert answer.status_code == 202, answer.text


@pytest.fixture
async def system(start: Start) -> System:
    """Named before `visit`, which then ends first: a page without its server complains."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api, sessionizer = start("api", PORT=str(port)), start("sessionizer")
    await api.logged("api.listening")
    await sessionizer.logged("partitions.taken")
    return System(start, port, api)


def click(user: str, event: str, *, ago_us: int = 0, device: str = "mobile", **more: Any) -> dict[str, Any]:
    at_ms = (now_us() - ago_us) // 1_000
    return {"user_id": user, "device_id": device, "client_event": event, "client_timestamp": at_ms, **more}


async def live(visit: Visit, address: str, query: str = "") -> Page:
    page = await visit.page(f"{address}/{query}")
    await page.wait_for_selector(FEED.format("live"))
    return page


async def text_of(page: Page, selector: str) -> str:
    return " ".join((await page.inner_text(selector)).split())


async def becomes(page: Page, selector: str, expected: str) -> None:
    """Wait until the text is that; the failure says what it is."""
    found = ""

    async def shown() -> bool:
        nonlocal found
        found = await text_of(page, selector)
        return expected in found

    try:
        await until(shown, what=expected)
    except AssertionError:
        raise AssertionError(f"{selector} shows {found!r}, not {expected!r}") from None


async def test_clicks_and_sessions_are_shown_as_they_come_and_revisions_marked(system: System, visit: Visit) -> None:
    page = await live(visit, system.address)
    assert await page.title() == "Live · Clickloom"
    assert "/t.js" in await page.inner_text(".empty pre")
    now = [click(str(user), "beer_products") for user in range(5)]
    order: dict[str, Any] = {"order_id": "o-1", "revenue": "12.50", "currency": "EUR"}
    await system.send(*now, click("0", "beer_checkout", **order), click("5", "beer_cart", device="computer"))
    await becomes(page, "#live-open", "6")
    await becomes(page, "#live-active", "6")
    await becomes(
        page, "[aria-label='Event names'] ul", "beer_products 5 · 71 % beer_cart 1 · 14 % beer_checkout 1 · 14 %"
    )
    await becomes(page, "[aria-label='Devices'] ul", "mobile 6 · 86 % computer 1 · 14 %")
    assert await page.locator(".empty").is_hidden()

    begin_ms = (now_us() - AGO_US) // 1_000
    first = click("64", "beer_cart", client_timestamp=begin_ms)
    await system.send(first, click("64", "beer_b", client_timestamp=begin_ms + 30_000))
    await becomes(page, f"{LATEST}:nth-child(2)", "64_MOB")
    assert await page.locator(LATEST).all_inner_texts() == [
        *(await page.locator(LATEST).all_inner_texts())[:2], "mobile", "beer_cart", "beer_b", "2", "30 s", "", "1",
    ]  # fmt: skip
    await system.send(click("64", "beer_late", client_timestamp=begin_ms + 60_000))
    await becomes(page, f"{LATEST}:last-child", "2, revised because late clicks made it longer")
    assert await text_of(page, f"{LATEST}:nth-child(7)") == "1 min"
    assert await page.locator(".closing tbody tr:visible").count() == 1


async def test_its_numbers_are_those_of_the_api(system: System, visit: Visit) -> None:
    await system.send(*(click(str(user), "beer_cart", ago_us=AGO_US, device="tablet") for user in range(3)))
    await system.send(*(click(str(user), "beer_checkout", revenue="2.25") for user in range(4)))
    page = await live(visit, system.address)
    await becomes(page, "#live-open", "4")
    async with AsyncClient(base_url=system.address, timeout=30) as client:
        told = await client.get("/v1/sessions/open", params={"window": "visits"})
    assert len(told.json()["sessions"]) == 4
    await becomes(page, "[aria-label='Sessions as they close']", "tablet beer_cart beer_cart 1 0 s bounced 1")
    await page.select_option("#live-device", "mobile")
    await page.wait_for_url("**filters=**")
    await page.wait_for_selector(FEED.format("live"))
    assert await page.input_value("#live-device") == "mobile"
    await page.wait_for_selector("text=None has closed in the last minute")
    await page.click("[aria-label='Clicks per second'] summary")
    rows = await page.locator("[aria-label='Clicks per second'] tbody tr td:last-child").all_inner_texts()
    assert sum(map(int, rows)) <= 7


async def test_a_feed_that_is_cut_says_so_and_goes_on_when_the_api_is_back(system: System, visit: Visit) -> None:
    page = await live(visit, system.address)
    system.api.kill()
    await page.wait_for_selector(FEED.format("cut"))
    assert "The live feed is cut off: the server does not answer" in await page.inner_text(".feed")
    # Of less than 2 s nothing is told; and after 6 s of silence it must not be cut again before anything comes.
    await page.wait_for_selector(r"text=/Cut off for ([7-9]|\d\d) s/")
    await system.again()
    await page.wait_for_selector(".feed:has-text('The live feed is back after')")  # which goes after a while
    await page.wait_for_selector(FEED.format("live"))
    await system.send(click("7", "beer_cart"))
    await becomes(page, "#live-open", "1")
    visit.complaints[:] = [told for told in visit.complaints if "ERR_" not in told]  # of the time without a server


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[AsyncClient]:
    async with serving(settings) as client:
        yield client


async def test_it_lets_go_when_it_is_left_and_never_grows(served: AsyncClient, visit: Visit) -> None:
    hosts = set()

    def note(request: Request) -> None:
        hosts.add(urlsplit(request.url).netloc)

    visit.context.on("request", note)
    page = await live(visit, str(served.base_url).rstrip("/"))

    async def subscribers() -> float:
        lines = (await served.get("/metrics")).text.splitlines()
        return float(next(line for line in lines if line.startswith("clickloom_live_subscribers ")).split()[1])

    async def two() -> bool:
        return await subscribers() == 2  # numbers and sessions; the past of the numbers has been read

    await until(two)
    elements = await page.evaluate("document.querySelectorAll('*').length")
    before = await text_of(page, ".strip .when >> nth=0")

    async def moved() -> bool:
        return await text_of(page, ".strip .when >> nth=0") != before

    await until(moved)
    assert await page.evaluate("document.querySelectorAll('*').length") == elements
    await page.click("#to-health")
    await page.wait_for_selector("main:not([aria-busy]) h1:has-text('Health')")

    async def none() -> bool:
        return await subscribers() == 0

    await until(none)
    assert hosts == {urlsplit(str(served.base_url)).netloc}
    visit.complaints[:] = [told for told in visit.complaints if "503" not in told]  # nothing was laid out for Health


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_all_can_use_it_light_or_dark_narrow_or_wide(served: AsyncClient, visit: Visit, theme: str) -> None:
    page = await live(visit, str(served.base_url).rstrip("/"))
    await page.select_option("#theme", theme)
    for width in (320, 1280):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert (
        await page.locator(".strip svg[role=img][aria-label]").count() == await page.locator(".strip summary").count()
    )
