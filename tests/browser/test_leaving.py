"""Who leaves, or loses the server, loses no event; and no event counts twice, for it keeps its id."""

import asyncio
from collections import Counter
from typing import Any

from playwright.async_api import Page

from tests.browser.conftest import Arrived, Site, Visit
from tests.browser.gate import Gate
from tests.processes import until

BUTTON = "<button id=b data-click=bought>buy</button><a id=a href=/next>next</a>"


def names(clicks: list[dict[str, Any]]) -> Counter[str]:
    """Events by name, each id once."""
    return Counter({click["event_id"]: click["client_event"] for click in clicks}.values())


async def test_closing_the_page_right_after_a_click_on_a_slow_network_loses_nothing(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    site.put("/", BUTTON)
    page = await visit.page(site.address)
    gate.delay_s = 1.5
    await page.click("#b")
    await page.evaluate("clickloom('last')")
    await page.close(run_before_unload=True)
    assert names(await arrived(3)) == {"page_view": 1, "bought": 1, "last": 1}


async def test_navigating_away_right_after_a_click_on_a_slow_network_loses_nothing(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    site.put("/", BUTTON)
    site.put("/next", snippet="")
    page = await visit.page(site.address)
    gate.delay_s = 1.5
    await page.evaluate("document.querySelector('#b').click(); document.querySelector('#a').click()")
    await page.wait_for_url("**/next")
    assert names(await arrived(2)) == {"page_view": 1, "bought": 1}


async def test_a_tab_that_dies_right_after_a_click_tells_it_at_the_next_visit(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    site.put("/", BUTTON)
    page = await visit.page(site.address)
    await arrived(1)
    gate.busy = 1_000  # so that nothing can have come by before
    await page.click("#b")
    await page.evaluate("clickloom('last')")
    await kill(visit, page)
    gate.busy = 0
    await visit.page(site.address)
    assert names(await arrived(4)) == {"page_view": 2, "bought": 1, "last": 1}
    assert len({click["user_id"] for click in await arrived(4)}) == 1


async def kill(visit: Visit, page: Page) -> None:
    """End the process that shows the page."""
    session = await visit.context.new_cdp_session(page)
    async with page.expect_event("crash"):
        killing = asyncio.create_task(session.send("Page.crash"))  # to which nobody is left to answer
    killing.cancel()
    visit.complaints.clear()


async def test_a_server_that_is_overloaded_gets_the_same_events_again(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    gate.busy = 2
    page = await visit.page(site.address)
    await page.evaluate("clickloom('one')")
    clicks = await arrived(2)
    assert [click["client_event"] for click in clicks] == ["page_view", "one"], "and each is in the stream once"
    tries = Counter(event["event_id"] for event in gate.events)
    assert tries == {click["event_id"]: 3 for click in clicks}
    assert all("503" in visit.complaints.pop() for _ in range(2)), "which the browser tells by itself"


async def test_an_answer_that_is_lost_is_asked_for_again_with_the_same_ids(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    gate.mute = 1
    await visit.page(site.address)
    clicks = await arrived(2)
    assert len(clicks) == 2
    assert names(clicks) == {"page_view": 1}
    visit.complaints.clear()


async def test_a_server_that_is_overloaded_as_the_page_goes_gets_the_events_at_the_next_one(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    site.put("/", BUTTON)
    site.put("/next")
    gate.busy = 1_000
    page = await visit.page(site.address)
    await page.click("#b")
    await page.click("#a")
    await page.wait_for_url("**/next")
    gate.busy = 0
    assert names(await arrived(3)) == {"page_view": 2, "bought": 1}
    visit.complaints.clear()


async def test_what_happens_offline_comes_when_the_network_is_back(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    page = await visit.page(site.address)
    await arrived(1)
    await visit.context.set_offline(True)
    await page.evaluate("clickloom('offline')")

    async def failed() -> bool:
        return any("ERR_INTERNET_DISCONNECTED" in complaint for complaint in visit.complaints)

    await until(failed)
    await visit.context.set_offline(False)
    assert names(await arrived(2)) == {"page_view": 1, "offline": 1}
    assert len(gate.events) == 2
    visit.complaints.clear()


async def test_nothing_is_left_behind_when_all_is_told(site: Site, visit: Visit, arrived: Arrived, gate: Gate) -> None:
    site.put("/", BUTTON)
    page = await visit.page(site.address)
    await page.click("#b")
    await arrived(2)
    await page.wait_for_function("Object.keys(localStorage).join() == 'clickloom'")
    await page.close(run_before_unload=True)
    await visit.page(site.address)
    await arrived(3)
    assert len(gate.events) == 3, "nothing is sent a second time"


async def test_a_server_that_is_away_for_long_costs_little(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    gate.busy = 1_000
    page = await visit.page(site.address)
    await page.evaluate("for (let n = 0; n < 300; n++) clickloom('many', {n})")
    kept = "Object.entries(localStorage).filter(([name]) => name.startsWith('clickloom.'))"
    assert await page.evaluate(f"JSON.parse({kept}[0][1])[1].length") == 200
    assert sum("lost" in complaint for complaint in visit.complaints) == 101
    gate.busy = 0
    await arrived(200)
    visit.complaints.clear()
