"""Overview in a browser: the API's numbers, in words and charts; what is clicked is a filter, a link shows the same."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from httpx import AsyncClient
from playwright.async_api import Page

from clickloom.durations import BOUNDS_S
from clickloom.session import Touch
from tests.browser.accessible import faults
from tests.browser.conftest import Visit
from tests.browser.known import chosen, filters, looked_at, rows, settled
from tests.browser.visits import DAY, MIDNIGHT, RANGE
from tests.services.api.conftest import Keep
from tests.sessions import session

DAYS = RANGE.split(",")
SHORTEST = [["at_least", "duration_sec", [0]], ["less_than", "duration_sec", [1]]]


def tenth(value: float) -> str:
    """As people round, and browsers."""
    return str(Decimal(str(value)).quantize(Decimal("0.1"), ROUND_HALF_UP))


FIGURES = {
    "Sessions": ("sessions", "{:,}", "more", "fewer"),
    "Visitors": ("visitors", "{:,}", "more", "fewer"),
    "Conversion rate": ("conversion_rate", "{} %", "better", "worse"),
    "Bounce rate": ("bounce_rate", "{} %", "worse", "better"),
}


async def asked(api: AsyncClient, *metrics: str, **more: Any) -> Any:
    query = {"metrics": metrics, "date_range": DAYS, **more}
    answer = await api.post("/v1/query", json=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def figure(page: Page, title: str) -> list[str]:
    """Number, change, and what it was before."""
    return await page.locator(f".card[aria-label='{title}'] .told p").all_inner_texts()


async def test_figures_and_their_changes_are_the_apis(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "overview")
    names = [name for name, *_ in FIGURES.values()]
    answer = await asked(filled, *names, include={"comparison": "previous_period"})
    [row] = answer["results"]
    numbers = zip(row["metrics"], row["comparison"]["metrics"], row["comparison"]["change"], strict=True)
    for (title, (_, form, up, down)), (now, before, change) in zip(FIGURES.items(), numbers, strict=True):
        way = f"▲ {tenth(change)}" if change > 0 else f"▼ {tenth(-change)}"
        unit = "points" if "rate" in title else "%"
        word = up if change > 0 else down
        shown = [form.format(tenth(value) if "rate" in title else value) for value in (now, before)]
        assert await figure(page, title) == [shown[0], f"{way} {unit} {word}", f"{shown[1]} before"]


async def test_revenue_has_its_currency_and_another_one_stands_beside_it(
    visit: Visit,
    filled: AsyncClient,
    keep: Keep,
) -> None:
    [_, row] = (await asked(filled, "revenue", dimensions=["currency"], order_by=[["revenue", "asc"]]))["results"]
    page = await looked_at(visit, filled, "overview", metric="revenue")
    assert (await figure(page, "Revenue"))[0] == f"€{Decimal(row['metrics'][0]):,.2f}"
    await keep(session(MIDNIGHT + DAY, user="abroad", orders=1, revenue=Decimal(3), touch=Touch(currency="USD")))
    await page.reload()
    await settled(page)
    assert (await figure(page, "Revenue"))[2] == "and $3.00"
    assert "add the dimension currency" in await page.inner_text(".time .notice")


async def test_charts_and_rankings_have_the_apis_numbers(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "overview")
    sums = (await asked(filled, "sessions"))["results"][0]["metrics"][0]

    by_hour = await rows(page, ".time")
    hours = await asked(filled, "sessions", dimensions=["time:hour"], include={"time_labels": True})
    assert [int(row[1]) for row in by_hour] == [row["metrics"][0] for row in hours["results"]]

    first = await asked(filled, "sessions", dimensions=["begin_navigation"])
    told = [[row["dimensions"][0], str(row["metrics"][0])] for row in first["results"]]
    assert [row[:2] for row in await rows(page, "[aria-label='First event of the session']")] == told

    devices = await asked(filled, "clicks", "sessions", dimensions=["device_type"])
    found = {row[0]: row[2:] for row in await rows(page, "[aria-label='Total duration by device']")}
    assert found == {row["dimensions"][0]: [str(value) for value in row["metrics"]] for row in devices["results"]}

    durations = await rows(page, "[aria-label='Duration of sessions']")
    assert durations[0][0] == "0 s"
    assert sum(int(row[1]) for row in durations) == sums

    pages = await asked(filled, "sessions", "conversion_rate", dimensions=["entry_page"])
    expected = [
        [row["dimensions"][0] or "No page", str(row["metrics"][0]), f"{tenth(row['metrics'][1])} %"]
        for row in pages["results"]
    ]
    assert await rows(page, "[aria-label='Top entry pages']") == expected


async def test_the_classes_of_durations_are_the_apis(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "overview")
    found = await page.evaluate(
        """async (count) => {
        const { nextClass } = await import('/app/overview/durations.js');
        const all = [0];
        while (all.length < count) all.push(nextClass(all.at(-1)));
        return all;
    }""",
        len(BOUNDS_S),
    )
    assert tuple(found) == BOUNDS_S


@pytest.mark.parametrize(
    ("part", "filtered"),
    [
        ("[aria-label='Top campaigns'] a:text('brand')", ["is", "utm_campaign", ["brand"]]),
        ("[aria-label='Top entry pages'] a:text('No page')", ["is", "entry_page", [None]]),
        (".key a >> nth=0", None),
        (".pielayer .slice path >> nth=0", None),
        (".treemaplayer .slice path >> nth=0", "device_type"),
        (".barlayer .point path >> nth=0", ["and", SHORTEST]),
    ],
)
async def test_what_is_clicked_becomes_a_filter_and_a_link_shows_the_same(
    visit: Visit, filled: AsyncClient, part: str, filtered: Any
) -> None:
    page = await looked_at(visit, filled, "overview", metric="visitors")
    whole = (await figure(page, "Sessions"))[0]
    if "pie" in part:  # whose middle is a hole
        await page.locator(part).dispatch_event("click")
    else:
        await page.locator(part).click(force=True)  # plotly puts a layer of its own over bars
    await page.wait_for_url("**filters=**")
    await settled(page)
    [found] = filters(page)
    assert filtered in (None, found, found[1])
    [row] = (await asked(filled, "sessions", filters=[found]))["results"]
    assert (await figure(page, "Sessions"))[0] == str(row["metrics"][0]) != whole
    again = await visit.page(page.url)
    await settled(again)
    assert await rows(again, "main") == await rows(page, "main")
    assert await again.input_value("#metric") == "visitors"
    await page.go_back()
    await settled(page)
    assert (await figure(page, "Sessions"))[0] == whole


async def test_what_is_chosen_in_the_view_stays_with_another_range_and_does_not_come_into_another_view(
    visit: Visit, filled: AsyncClient
) -> None:
    page = await looked_at(visit, filled, "overview")
    await page.focus("#metric")
    await page.select_option("#metric", "bounce_rate")
    await settled(page)
    assert await page.evaluate("document.activeElement.id") == "metric"
    await page.select_option("#compare", "year_before")
    await settled(page)
    assert (await figure(page, "Sessions"))[1] == "nothing to compare with"
    await page.select_option("#compare", "none")
    await settled(page)
    assert (await figure(page, "Sessions"))[1].strip() == ""
    await page.fill("#date-0", "2025-03-27")
    await page.wait_for_url("**2025-03-27**")
    await settled(page)
    assert chosen(page) | {"metric": "bounce_rate", "compare": "none"} == chosen(page)
    await page.click("#saved")
    await page.fill("#save-as", "Bounces")
    await page.keyboard.press("Enter")
    await page.click("#to-health")
    await page.wait_for_selector("main:not([aria-busy]) h1:text('Health')")
    assert {"metric", "compare"}.isdisjoint(chosen(page))
    await page.click("#saved")
    await page.click("text=Bounces")
    await page.wait_for_url("**metric=bounce_rate**")
    await settled(page)
    assert await page.inner_text(".time h2") == "Bounce rate over time"
    visit.complaints[:] = [told for told in visit.complaints if "503" not in told]  # of Health, on a busy machine


async def test_a_range_is_as_long_as_the_api_takes_it(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "overview")
    for zone in ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Auckland"):
        for named in ("day", "24h", "7d", "30d", "month", "12mo", "2025-03-29,2025-03-30"):
            written = named.split(",") if "," in named else named
            answer = await asked(filled, "sessions", date_range=written, timezone=zone)
            found = await page.evaluate(
                """async ([range, zone, ends]) => {
                const { stretch } = await import('/app/ranges.js');
                return [stretch({ range, zone }), ends.map(end => Date.parse(end))];
            }""",
                [named, zone, answer["query"]["date_range"]],
            )
            assert found[0] == found[1], (zone, named)


async def test_where_nothing_is_it_says_what_to_do(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "overview", filters=[["is", "user_id", ["nobody"]]], metric="visitors")
    assert await page.inner_text(".empty h2") == "No session began in this time"
    await page.click("text=without the filters")
    await page.wait_for_selector(".overview .figure")
    assert chosen(page) == {"window": "visits", "range": RANGE, "zone": "UTC", "metric": "visitors"}
    page = await looked_at(visit, filled, "overview", range="2001-01-01,2001-01-02")
    await page.click(".empty >> text=Show the last 12 months")
    await page.wait_for_url("**range=12mo**")
    await settled(page)


async def test_what_the_api_refuses_is_told_in_its_words(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "overview", filters=[["is", "colour", ["red"]]])
    assert "colour" in await page.inner_text(".card[aria-label='Top campaigns'] .fault")
    assert "colour" in await page.inner_text(".card[aria-label='Sessions'] .fault")
    assert all("422" in told for told in visit.complaints)
    visit.complaints.clear()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
async def test_light_or_dark_narrow_or_wide_all_can_use_it_and_nothing_is_cut_off(
    visit: Visit, filled: AsyncClient, theme: str, width: int
) -> None:
    hosts = set()
    visit.context.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page = await looked_at(visit, filled, "overview")
    await page.set_viewport_size({"width": width, "height": 800})
    await page.select_option("#theme", theme)
    for folded in await page.locator("main details").all():
        await folded.evaluate("(one) => one.open = true")
    assert await faults(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert hosts == {urlsplit(str(filled.base_url)).netloc}
