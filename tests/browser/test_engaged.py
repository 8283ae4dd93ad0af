"""How long somebody looked, told seldom, and no longer than somebody did."""

from typing import Any

from playwright.async_api import Page

from tests.browser.conftest import Arrived, Site, Visit
from tests.browser.gate import Gate


async def opened(site: Site, visit: Visit) -> Page:
    """A page whose clock is the test's."""
    site.put("/next", snippet="")
    page = await visit.page()
    await page.clock.install()
    await page.goto(site.address)
    return page


async def reads(page: Page, seconds: int) -> None:
    """Somebody moves the pointer every ten seconds."""
    for second in range(0, seconds, 10):
        await page.mouse.move(10 + second % 700, 10)
        await page.clock.run_for(10_000)


def seconds(clicks: list[dict[str, Any]]) -> list[int]:
    return [click["properties"]["seconds"] for click in clicks if click["client_event"] == "engaged"]


async def test_who_leaves_tells_how_long_the_page_was_looked_at(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    page = await opened(site, visit)
    await reads(page, 40)
    await page.goto(f"{site.address}/next")
    await arrived(2)
    view, engaged = gate.events
    assert 39 <= engaged["properties"]["seconds"] <= 42
    assert engaged["page_url"] == view["page_url"] == f"{site.address}/"
    assert 39 <= (engaged["client_timestamp"] - view["client_timestamp"]) / 1e3 <= 42, (
        "the end of the session is where it was"
    )


async def test_a_page_that_nobody_looks_at_any_more_ends_its_time_at_once(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    page = await opened(site, visit)
    await page.clock.run_for(3_600_000)
    await arrived(2)
    view, engaged = gate.events
    assert seconds([engaged]) == [30]
    assert 29_999 <= engaged["client_timestamp"] - view["client_timestamp"] <= 32_000, "both are rounded"
    await page.goto(f"{site.address}/next")
    assert len(await arrived(2)) == 2, "it is told once"


async def test_who_reads_for_long_is_heard_every_two_minutes_and_all_of_it_adds_up(
    site: Site, visit: Visit, arrived: Arrived
) -> None:
    page = await opened(site, visit)
    await reads(page, 300)
    await page.goto(f"{site.address}/next")
    told = seconds(await arrived(4))
    assert len(told) == 3
    assert 298 <= sum(told) <= 304


async def test_a_glance_is_not_told(site: Site, visit: Visit, arrived: Arrived, gate: Gate) -> None:
    page = await opened(site, visit)
    await page.clock.run_for(3_000)
    await page.goto(f"{site.address}/next")
    await page.goto(site.address)
    await arrived(2)
    assert {event["client_event"] for event in gate.events} == {"page_view"}


async def test_each_page_of_a_single_page_app_has_its_own_time(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    page = await opened(site, visit)
    await reads(page, 20)
    await page.evaluate("history.pushState({}, '', '/beer')")
    await reads(page, 10)
    await page.evaluate("history.pushState({}, '', '/cart')")
    await page.clock.run_for(1_000)
    await arrived(5)
    told = {event["event_id"]: event for event in gate.events}.values()
    found = [(event["page_url"].removeprefix(site.address), event["client_event"]) for event in told]
    assert found == [
        ("/", "page_view"),
        ("/", "engaged"),
        ("/beer", "page_view"),
        ("/beer", "engaged"),
        ("/cart", "page_view"),
    ]


async def test_what_is_told_as_the_page_goes_is_not_told_again(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    page = await opened(site, visit)
    await reads(page, 10)
    await page.goto(f"{site.address}/next")
    await page.goto(site.address)
    await page.clock.run_for(12_000)  # in which it looks for what other pages have left
    await arrived(2, client_event="page_view")
    assert len([event for event in gate.events if event["client_event"] == "engaged"]) == 1


async def test_with_the_network_gone_it_is_told_at_the_next_visit(site: Site, visit: Visit, arrived: Arrived) -> None:
    page = await opened(site, visit)
    await arrived(1)
    await reads(page, 20)
    await visit.context.set_offline(True)
    async with page.expect_event("close"):
        await page.close(run_before_unload=True)
    await visit.context.set_offline(False)
    await visit.page(site.address)
    assert seconds(await arrived(3))
    visit.complaints.clear()
