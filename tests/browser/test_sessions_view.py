"""Sessions in a browser: the list is the API's whatever is chosen, a session is a timeline, a file is what is shown."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from playwright.async_api import Page
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.times import now_us
from tests.browser.accessible import faults
from tests.browser.conftest import Visit
from tests.browser.known import chosen, filters, looked_at, rows, settled
from tests.browser.visits import ASKED, DAY, MIDNIGHT, RANGE, visits
from tests.clicks import click
from tests.processes import Start, until
from tests.services.api.conftest import Keep, serving
from tests.services.api.query.test_timeline import keep_clicks
from tests.sessions import session

A_PAGE = 50
LATEST = MIDNIGHT + 3 * DAY - 600


@pytest.fixture
async def filled(settings: Settings, keep: Keep) -> AsyncIterator[AsyncClient]:
    await keep(*visits(180))
    async with serving(settings) as client:
        yield client


async def listed(api: AsyncClient, **asked: Any) -> list[str]:
    """The sessions' uids."""
    answer = await api.get("/v1/sessions", params={**ASKED, "limit": 1000, **asked})
    assert answer.status_code == 200, answer.text
    return [row["session_uid"] for row in answer.json()["sessions"]]


async def shown(page: Page) -> list[str]:
    """The uids that the rows lead to."""
    links: list[str] = await page.eval_on_selector_all(
        ".list td:first-child a", "links => links.map(link => new URL(link.href).searchParams.get('session'))"
    )
    return links


async def test_rows_are_the_apis_in_its_order(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "sessions")
    uids = await listed(filled)
    assert await shown(page) == uids[:A_PAGE]
    assert await page.inner_text("#count") == f"{len(uids)} sessions"
    [newest] = (await filled.get("/v1/sessions", params={**ASKED, "limit": 1})).json()["sessions"]
    row = (await rows(page, ".list"))[0]
    assert row[1:3] == [newest["user_id"], newest["device_type"]]
    assert row[4] == str(newest["events"])
    await page.click("#sort-duration_sec")
    await page.wait_for_url("**order=-duration_sec**")
    await settled(page)
    assert await shown(page) == (await listed(filled, order="-duration_sec"))[:A_PAGE]
    assert await page.locator("th[aria-sort=descending]").inner_text() == "Duration ▾"
    assert await page.evaluate("document.activeElement.id") == "sort-duration_sec"
    await page.click("#sort-duration_sec")
    await page.wait_for_url("**order=duration_sec**")
    await settled(page)
    assert await shown(page) == (await listed(filled, order="duration_sec"))[:A_PAGE]


PAGE = [["is", "entry_page", ["/products"]], ["is", "referrer_host", ["google.com"]]]
CHOICES: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"user_id": "u7"}, {"user_id": "u7"}),
    ({"device_id": "computer"}, {"device_id": "computer"}),
    ({"device_type": "tablet | computer"}, {"device_type": ["tablet", "computer"]}),
    ({"event": "beer_checkout"}, {"event": "beer_checkout"}),
    (
        {"begin_navigation": "beer_cart", "end_navigation": "beer_cart"},
        {"begin_navigation": "beer_cart", "end_navigation": "beer_cart"},
    ),
    ({"utm_source": "letter", "utm_campaign": "spring"}, {"utm_source": "letter", "utm_campaign": "spring"}),
    ({"experiment": "checkout:B"}, {"experiment": "checkout:B"}),
    ({"min_duration_sec": "10", "max_duration_sec": "60"}, {"min_duration_sec": 10, "max_duration_sec": 60}),
    ({"min_events": "2", "max_events": "3"}, {"min_events": 2, "max_events": 3}),
    ({"converted": "true"}, {"converted": True}),
    ({"bounced": "false"}, {"bounced": False}),
    ({"entry_page": "/products", "referrer_host": "google.com"}, {"filters": json.dumps(PAGE)}),
]  # what is typed, and the API's parameters


async def test_the_form_chooses_what_the_apis_parameters_choose(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "sessions", filters=[["is_not", "device_type", ["other"]]])
    await page.click("#choose")
    await until(lambda: page.locator("#known-begin_navigation option").count(), what="suggestions")
    everything = await listed(filled)
    for typed, asked in CHOICES:
        for name, value in typed.items():
            field = page.locator(f"#of-{name}")
            await (field.select_option(value) if name in ("converted", "bounced") else field.fill(value))
        before = page.url
        await page.click("#apply")

        async def moved(before: str = before) -> bool:
            return page.url != before

        await until(moved, what="another address")
        await settled(page)
        expected = await listed(filled, **asked)
        assert 0 < len(expected) < len(everything) or "device_id" in typed, typed
        assert await shown(page) == expected[:A_PAGE], typed
        assert {name: await page.input_value(f"#of-{name}") for name in typed} == typed
        for name in typed:
            field = page.locator(f"#of-{name}")
            await (field.select_option("") if name in ("converted", "bounced") else field.fill(""))
    await page.click("#apply")
    await settled(page)
    assert filters(page) == [["is_not", "device_type", ["other"]]]


async def test_pages_go_on_and_back_and_each_has_an_address(visit: Visit, filled: AsyncClient) -> None:
    uids = await listed(filled)
    assert len(uids) > 2 * A_PAGE
    page = await looked_at(visit, filled, "sessions")
    for number in (1, 2):
        await page.click("#next")
        await page.wait_for_selector(f".pages:has-text('Page {number + 1}')")
        await settled(page)
        assert await shown(page) == uids[number * A_PAGE : (number + 1) * A_PAGE]
    again = await visit.page(page.url)
    await settled(again)
    assert await shown(again) == uids[2 * A_PAGE : 3 * A_PAGE]
    await again.click("#previous")
    await again.wait_for_selector(".pages:has-text('Page 2')")
    assert await shown(again) == uids[A_PAGE : 2 * A_PAGE]
    await page.go_back()
    await page.wait_for_selector(".pages:has-text('Page 2')")
    await page.click(".list tbody a >> nth=0")
    await page.wait_for_selector(".timeline")
    await page.click("#back")
    await page.wait_for_selector(".pages:has-text('Page 2')")
    await page.select_option("#range", "30d")
    await page.wait_for_url("**range=30d**")
    await settled(page)
    assert "cursor" not in chosen(page)


async def test_the_file_is_the_apis_csv_of_all_that_is_chosen(
    visit: Visit, filled: AsyncClient, tmp_path: Path
) -> None:
    mobile = [["is", "device_type", ["mobile"]]]
    page = await looked_at(visit, filled, "sessions", filters=mobile, order="-events")
    async with page.expect_download() as begun:
        await page.click("#csv")
    download = await begun.value
    assert download.suggested_filename == f"sessions-{RANGE.replace(',', '-to-')}.csv"
    await download.save_as(tmp_path / "it.csv")
    asked: dict[str, Any] = {**ASKED, "filters": json.dumps(mobile), "order": "-events", "limit": 10_000}
    answer = await filled.get("/v1/sessions", params=asked, headers={"accept": "text/csv"})
    assert await asyncio.to_thread((tmp_path / "it.csv").read_text) == answer.text
    assert answer.text.count("\n") > A_PAGE


async def test_a_session_is_a_timeline_and_says_why_it_was_revised(
    visit: Visit,
    filled: AsyncClient,
    keep: Keep,
) -> None:
    path: dict[str, Any] = {"path": ["nav", "cart", "checkout"], "path_offsets_us": [0, 65_000_000, 3_723_000_000]}
    end_us = (LATEST + 3_723) * 1_000_000
    one = session(LATEST, user="<b>late</b>", events=3, end_us=end_us, version=2, revised_because="merged", **path)
    await keep(one)
    page = await looked_at(visit, filled, "sessions")
    await page.click(".list tbody a >> nth=0")
    await page.wait_for_selector(".timeline")
    steps = await page.locator(".timeline li").all_inner_texts()
    assert [" ".join(step.split()) for step in steps] == [
        "+0:00 nav 11:50:00 PM",
        "+1:05 cart 11:51:05 PM · 1 min 5 s later",
        "+1:02:03 checkout 12:52:03 AM · 1 h later",
    ]
    facts = " ".join((await page.inner_text(".facts")).split())
    assert "User <b>late</b>" in facts
    assert "Revised because clicks that came late joined it with another (version 2)" in facts
    assert await faults(page) == []
    again = await visit.page(page.url)
    await settled(again)
    assert await again.inner_text("main .grid") == await page.inner_text("main .grid")
    gone = await looked_at(visit, filled, "sessions", session="00000000-0000-0000-0000-000000000000")
    assert await gone.inner_text(".empty h2") == "This session is not there"
    visit.complaints.clear()  # of the 404


async def test_a_users_history_has_clicks_and_sessions_and_leads_to_each(
    visit: Visit,
    filled: AsyncClient,
    settings: Settings,
    keep: Keep,
) -> None:
    made = [click(LATEST + at, user="ada", event=f"e{at}", page_url=f"https://s.example/p{at}?q") for at in range(120)]
    await keep_clicks(settings, *made, arrival=LATEST + 300)
    await keep(session(LATEST, user="ada", events=120))
    page = await looked_at(visit, filled, "sessions", user="ada")
    first = [" ".join(step.split()) for step in await page.locator(".timeline li").all_inner_texts()]
    assert first[0] == "11:51:59 PM e119 /p119 · computer"
    assert len(first) == 100
    await page.click("#next")
    await page.wait_for_selector(".pages:has-text('Page 2')")
    rest = await page.locator(".timeline li").all_inner_texts()
    assert len(rest) == 21
    assert "120 events · 1 min 59 s" in rest[-1]
    await page.click(".begin a")
    await page.wait_for_selector(".facts")
    await page.click(".facts a >> text=ada")
    await page.wait_for_selector("h1:text('User ada')")
    await page.click("text=Sessions of this user")
    await page.wait_for_selector("h1:text('Sessions')")
    await settled(page)
    assert filters(page) == [["is", "user_id", ["ada"]]]
    assert len(await shown(page)) == 1
    nobody = await looked_at(visit, filled, "sessions", user="nobody")
    assert await nobody.inner_text(".empty h2") == "Nothing is known of this user in this time"


@pytest.fixture
async def going(start: Start, redis: Redis, keys: Keys, settings: Settings) -> AsyncIterator[AsyncClient]:
    """Two open sessions."""
    sessionizer = start("sessionizer", COMMIT_INTERVAL="10ms")
    await sessionizer.logged("partitions.taken")
    publisher = Publisher(redis, keys=keys, partitions=settings.partitions)
    some = [click(LATEST, user="64", event="nav"), click(LATEST + 90, user="64", event="cart")]
    for clicks in (some, [click(LATEST, user="b", event="nav")]):
        await publisher.publish(clicks, arrival_us=now_us())
    async with serving(settings) as api:

        async def there() -> bool:
            return len((await api.get("/v1/sessions/open")).json()["sessions"]) == 2

        await until(there, what="two open sessions")
        yield api
    sessionizer.stop()


async def test_open_sessions_are_a_switch_away_and_say_which_filters_they_do_not_know(
    visit: Visit, going: AsyncClient
) -> None:
    page = await looked_at(visit, going, "sessions")
    assert await page.inner_text(".empty h2") == "No such session"
    await page.click("#open")
    await page.wait_for_url("**open=1**")
    await settled(page)
    assert sorted(row[1] for row in await rows(page, ".list")) == ["64", "b"]
    chosen_by = [["is", "event", ["cart"]], ["is", "utm_source", ["letter"]]]
    page = await looked_at(visit, going, "sessions", open="1", filters=chosen_by)
    assert [row[1] for row in await rows(page, ".list")] == ["64"]
    assert await page.inner_text(".notice") == "Open sessions are not chosen by Source is letter."
    await page.click(".list tbody a >> nth=0")
    await page.wait_for_selector(".timeline")
    assert "it still goes on" in await page.inner_text(".facts")
    assert await page.locator(".timeline li").count() == 2
    visit.complaints[:] = [told for told in visit.complaints if "404" not in told]  # it is not among the closed ones


async def test_where_no_session_is_it_says_what_to_do(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "sessions", filters=[["is", "user_id", ["nobody"]]])
    assert await page.inner_text(".empty h2") == "No such session"
    await page.click("text=without the filters")
    await page.wait_for_selector(".list")
    assert filters(page) == []
    page = await looked_at(visit, filled, "sessions", cursor="of-another-list")
    assert await page.inner_text(".empty h2") == "The list has moved on since"
    await page.click("text=Go to its first page")
    await page.wait_for_selector(".list")
    assert [told for told in visit.complaints if "422" not in told] == []
    visit.complaints.clear()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
async def test_light_or_dark_narrow_or_wide_all_can_use_it_and_nothing_is_cut_off(
    visit: Visit, filled: AsyncClient, theme: str, width: int
) -> None:
    page = await looked_at(visit, filled, "sessions")
    await page.set_viewport_size({"width": width, "height": 800})
    await page.select_option("#theme", theme)
    await page.click("#choose")
    for own in ({}, {"user": "u7"}):
        if own:
            page = await looked_at(visit, filled, "sessions", **own)
            await page.set_viewport_size({"width": width, "height": 800})
        assert await faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
