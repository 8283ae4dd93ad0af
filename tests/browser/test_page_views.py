"""A page view is a click with all of its fields, in pages of every kind."""

import re
from typing import Any

from clickloom.times import now_us
from tests.browser.conftest import Arrived, Site, Visit, open_site


def paths(clicks: list[dict[str, Any]], site: Site) -> list[str]:
    return [click["page_url"].removeprefix(site.address) for click in clicks]


async def test_a_page_view_arrives_with_all_its_fields(site: Site, visit: Visit, arrived: Arrived) -> None:
    async with open_site() as search:
        campaign = "?utm_source=letter&utm_medium=mail&utm_campaign=spring%20sale&q=1"
        search.put("/", f'<a id=a referrerpolicy=unsafe-url href="{site.address}/{campaign}">the shop</a>', snippet="")
        before_us = now_us()
        page = await visit.page(search.address)
        await page.click("#a")
        [click] = await arrived(1)
    assert before_us - 2_000_000 < click.pop("time_us") < now_us() + 2_000_000
    assert re.fullmatch("[0-9a-f]{32}", click.pop("user_id"))
    assert re.fullmatch("[0-9a-f]{32}", click.pop("event_id"))
    assert {name: value for name, value in click.items() if value is not None} == {
        "site_id": "shop",
        "device_id": "computer",
        "client_event": "page_view",
        "page_url": f"{site.address}/{campaign}",
        "referrer": f"{search.address}/",
        "utm_source": "letter",
        "utm_medium": "mail",
        "utm_campaign": "spring sale",
    }


async def test_pages_of_one_site_have_one_visitor_and_do_not_refer_to_each_other(
    site: Site, visit: Visit, arrived: Arrived
) -> None:
    site.put("/", "<a id=a href=/beer>beer</a>")
    site.put("/beer")
    page = await visit.page(site.address)
    await page.click("#a")
    clicks = await arrived(2)
    assert paths(clicks, site) == ["/", "/beer"]
    assert {click["referrer"] for click in clicks} == {None}
    assert len({click["user_id"] for click in clicks}) == 1


HASH = (
    "new Promise(seen => {{addEventListener('hashchange', seen, {{once: true}}); location.hash = '{}'}}).then(() => 0)"
)


async def test_a_single_page_app_is_followed(site: Site, visit: Visit, arrived: Arrived) -> None:
    page = await visit.page(f"{site.address}/?a=1")
    for change in (
        "history.pushState({}, '', '/beers')",
        "history.pushState({}, '', '/beers')",  # the same: none
        "history.pushState({}, '', '/beers?page=2')",
        "history.replaceState({}, '', '/beers?page=2&sort=price')",  # a note in the query: none
        "history.replaceState({}, '', '/login')",
        HASH.format("#top"),  # a place in the page: none
        HASH.format("#/cart"),
        "history.go(-2)",
        "history.pushState({}, '', '/last')",
    ):
        before = page.url
        await page.evaluate(change)
        if "go(" in change:
            await page.wait_for_function("before => location.href != before", arg=before)
    clicks = await arrived(7)
    assert paths(clicks, site) == ["/?a=1", "/beers", "/beers?page=2", "/login", "/login#/cart", "/login", "/last"]
    assert {click["client_event"] for click in clicks} == {"page_view"}


async def test_a_page_that_comes_back_from_the_browsers_memory_is_seen_again(
    site: Site, visit: Visit, arrived: Arrived
) -> None:
    site.put("/beer")
    page = await visit.page(site.address)
    await page.evaluate("addEventListener('pageshow', event => window.persisted = event.persisted)")
    await page.goto(f"{site.address}/beer")
    await page.go_back(wait_until="commit")
    await page.wait_for_function("window.persisted")
    clicks = await arrived(3)
    assert paths(clicks, site) == ["/", "/beer", "/"]


async def test_a_page_that_forbids_inline_scripts_is_tracked(site: Site, visit: Visit, arrived: Arrived) -> None:
    host = site.snippet.split('"')[1].removesuffix("/t.js")
    site.headers = {
        "Content-Security-Policy": f"default-src 'none'; script-src {host}; connect-src {host}; img-src data:"
    }
    await visit.page(site.address)
    [click] = await arrived(1)
    assert click["client_event"] == "page_view"


async def test_a_page_that_isolates_itself_is_tracked(site: Site, visit: Visit, arrived: Arrived) -> None:
    site.headers = {"Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Opener-Policy": "same-origin"}
    await visit.page(site.address)
    assert await arrived(1)


async def test_a_snippet_that_is_there_twice_counts_once(site: Site, visit: Visit, arrived: Arrived) -> None:
    site.put("/", snippet=site.snippet * 2)
    page = await visit.page(site.address)
    await page.evaluate("clickloom('last')")
    assert [click["client_event"] for click in await arrived(2)] == ["page_view", "last"]


async def test_a_page_that_the_browser_only_prepares_is_viewed_when_it_is_shown(
    site: Site, visit: Visit, arrived: Arrived
) -> None:
    await visit.context.add_init_script("Object.defineProperty(document, 'prerendering', {value: true})")
    page = await visit.page(site.address)
    assert await page.evaluate("typeof clickloom") == "undefined"
    await page.evaluate("document.dispatchEvent(new Event('prerenderingchange'))")
    await page.evaluate("clickloom('last')")
    assert [click["client_event"] for click in await arrived(2)] == ["page_view", "last"]
