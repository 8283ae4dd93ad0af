"""Who does not want to be followed is not, and leaves nothing in the browser."""

import pytest
from playwright.async_api import Browser, Page

from tests.browser.conftest import Arrived, Site, Visit
from tests.browser.gate import Gate

KEPT = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
NOTHING = '[{},{},""]'
BLOCKED = (
    "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('blocked', 'SecurityError') }})"
)


async def used(page: Page) -> None:
    """Everything that would be told of a page."""
    await page.evaluate("clickloom('one', {n: 1}); history.pushState({}, '', '/other')")
    await page.click("#b")
    await page.close(run_before_unload=True)


@pytest.mark.parametrize("signal", ["globalPrivacyControl: {value: true}", "doNotTrack: {value: '1'}"])
async def test_a_browser_that_asks_for_privacy_sends_and_keeps_nothing(
    site: Site, visit: Visit, gate: Gate, signal: str
) -> None:
    site.put("/", "<button id=b data-click=bought>buy</button>")
    await visit.context.add_init_script(f"Object.defineProperties(navigator, {{{signal}}})")
    asked: list[str] = []
    visit.context.on("request", lambda request: asked.append(request.url))
    page = await visit.page(site.address)
    await page.evaluate("clickloom('consent', true)")
    assert await page.evaluate(KEPT) == NOTHING
    await used(page)
    assert [url for url in asked if "/v1/" in url] == []
    assert gate.bodies == []


async def test_without_consent_nothing_is_sent_and_with_it_the_page_view_is(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    site.put("/", snippet=site.snippet.replace("<script", "<script data-consent=required"))
    page = await visit.page(site.address)
    await page.evaluate("clickloom('before')")
    assert await page.evaluate(KEPT) == NOTHING
    await page.evaluate("clickloom('consent', true); clickloom('after')")
    assert [click["client_event"] for click in await arrived(2)] == ["page_view", "after"]
    assert "before" not in {event["client_event"] for event in gate.events}


async def test_consent_before_the_script_is_there_is_heard(site: Site, visit: Visit, arrived: Arrived) -> None:
    site.files["/stub.js"] = "clickloom = function () { clickloom.q.push(arguments) }; clickloom.q = []; "
    site.files["/stub.js"] += "clickloom('consent', true)"
    snippet = site.snippet.replace("<script", "<script data-consent=required")
    site.put("/", snippet=f"<script src=/stub.js></script>{snippet}")
    await visit.page(site.address)
    assert await arrived(1, client_event="page_view")


async def test_who_takes_consent_back_is_forgotten(site: Site, visit: Visit, arrived: Arrived, gate: Gate) -> None:
    page = await visit.page(site.address)
    await arrived(1)
    gate.busy = 1_000
    await page.evaluate("clickloom('waiting'); clickloom('consent', false); clickloom('after')")
    assert await page.evaluate(KEPT) == NOTHING
    gate.busy = 0
    await page.evaluate("clickloom('consent', true); clickloom('again')")
    clicks = await arrived(3)
    assert [click["client_event"] for click in clicks] == ["page_view", "page_view", "again"]
    assert clicks[0]["user_id"] != clicks[1]["user_id"]
    visit.complaints.clear()


@pytest.fixture
def cookieless(site: Site) -> Site:
    site.put(
        "/",
        "<button id=b data-click=bought>buy</button>",
        snippet=site.snippet.replace(" data", " data-cookieless data"),
    )
    return site


async def test_without_an_id_in_the_browser_two_visits_of_a_day_are_one_visitor(
    cookieless: Site, browser: Browser, arrived: Arrived
) -> None:
    for _ in range(2):
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(cookieless.address)
        await page.evaluate("clickloom('one')")
        assert await page.evaluate(KEPT) == NOTHING
        await page.close(run_before_unload=True)
        assert await context.storage_state(indexed_db=True) == {"cookies": [], "origins": []}
        await context.close()
    other = await browser.new_context(user_agent="Mozilla/5.0 (Linux; Android 14) Chrome/120 Mobile Safari")
    await (await other.new_page()).goto(cookieless.address)
    clicks = await arrived(5)
    await other.close()
    visitors = [click["user_id"] for click in clicks]
    assert len(set(visitors[:4])) == 1
    assert visitors[4] != visitors[0]
    assert clicks[4]["device_id"] == "mobile"


async def test_a_browser_that_blocks_storage_is_known_for_the_day(site: Site, visit: Visit, arrived: Arrived) -> None:
    await visit.context.add_init_script(BLOCKED)
    page = await visit.page(site.address)
    await page.evaluate("clickloom('one')")
    await visit.page(site.address)
    clicks = await arrived(3)
    assert len({click["user_id"] for click in clicks}) == 1


async def test_without_storage_too_a_server_that_is_overloaded_loses_nothing(
    cookieless: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    gate.busy = 1
    page = await visit.page(cookieless.address)
    await page.click("#b")
    assert [click["client_event"] for click in await arrived(2)] == ["page_view", "bought"]
    visit.complaints.clear()


async def test_pages_of_an_origin_that_the_key_is_not_for_get_nothing_in(
    site: Site, visit: Visit, gate: Gate, arrived: Arrived
) -> None:
    stranger = site.address.replace("127.0.0.1", "localhost")
    page = await visit.page()
    async with page.expect_event("requestfailed"):
        await page.goto(stranger)
    await page.close()  # it would try again and again, and each time complain
    await visit.page(site.address)
    [click] = await arrived(1)
    assert click["page_url"] == f"{site.address}/"
    assert all("CORS policy" in complaint or "ERR_FAILED" in complaint for complaint in visit.complaints)
    visit.complaints.clear()


async def test_a_key_that_is_none_is_told_on_the_console(site: Site, visit: Visit) -> None:
    key = site.snippet.split('data-key="')[1].split('"')[0]
    site.put("/", snippet=site.snippet.replace(key, "clw_0123456789"))
    page = await visit.page()
    async with page.expect_console_message(lambda message: "this key is not known" in message.text):
        await page.goto(site.address)
    visit.complaints.clear()
