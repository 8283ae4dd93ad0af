"""Retention in a browser: the API's numbers as a grid."""

from typing import Any

import pytest
from httpx import AsyncClient

from tests.browser.accessible import faults
from tests.browser.conftest import Visit
from tests.browser.known import chosen, looked_at, rows, settled

DATES = ["2025-03-27", "2025-03-29"]


async def expected(api: AsyncClient, **asked: Any) -> list[list[str]]:
    """Users, and the share of them who came back, a row a cohort."""
    answer = await api.post("/v1/retention", json={"date_range": DATES, **asked})
    assert answer.status_code == 200, answer.text
    return [[str(one["size"]), *map(str, one["returned"])] for one in answer.json()["cohorts"]]


async def shown(page: Any) -> list[list[str]]:
    """The same of the page: a cell tells its users to who does not see its colour."""
    _, *found = await rows(page, ".retention")
    return [[row[1], *(cell.split(", ")[1].split(" of ")[0] for cell in row[2:] if cell)] for row in found]


async def test_the_grid_has_the_apis_numbers_and_what_is_chosen_is_in_the_link(
    visit: Visit, filled: AsyncClient
) -> None:
    page = await looked_at(visit, filled, "retention", range=",".join(DATES))
    cohorts = await expected(filled, period="day")
    assert len(cohorts) == 3
    assert await shown(page) == cohorts
    all_, *_ = await rows(page, ".retention")
    assert all_[1] == str(sum(int(cohort[0]) for cohort in cohorts))

    await page.fill("#returning", "beer_cart")
    await page.press("#returning", "Enter")
    await settled(page)
    await page.wait_for_url(lambda url: "event=beer_cart" in url)
    await settled(page)
    assert await shown(page) == await expected(filled, period="day", returning_event="beer_cart")
    await page.select_option("#period", "week")
    await page.wait_for_url(lambda url: "period=week" in url)
    await settled(page)
    other = await visit.page(page.url)
    await settled(other)
    assert await shown(other) == await expected(filled, period="week", returning_event="beer_cart")
    assert chosen(other)["period"] == "week"


async def test_nobody_who_is_new_says_what_to_do(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "retention", range="2020-01-01,2020-01-02")
    assert "Choose a longer time" in await page.inner_text(".empty")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_use_it(visit: Visit, filled: AsyncClient, scheme: Any) -> None:
    page = await looked_at(visit, filled, "retention", range=",".join(DATES))
    await page.emulate_media(color_scheme=scheme)
    assert await faults(page) == []


GRID = """async () => {
    const { grid } = await import('/app/retention/grid.js');
    const cohorts = [
        {cohort: '2026-01-30', size: 10, returned: [10, 4, 1]},
        {cohort: '2026-01-31', size: 10, returned: [10, 0]},
        {cohort: '2026-02-01', size: 5, returned: [5]},
    ];
    document.querySelector('main').replaceChildren(...grid(cohorts, 'day', '2026-02-01'));
}"""


async def test_a_day_that_is_not_over_is_told_so_and_does_not_lower_all(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "retention", range=",".join(DATES))
    await page.evaluate(GRID)
    all_, first, second, third = await rows(page, ".retention")
    assert all_[3:] == ["40.0 %, 4 of 10 users", ""]
    assert first[3:] == ["40.0 %, 4 of 10 users", "10.0 %, 1 of 10 users so far"]
    assert (second[3], third[2]) == ("0.0 %, 0 of 10 users so far", "100.0 %, 5 of 5 users so far")
    assert await page.locator(".so-far").count() == 3
    assert "up to 40.0 %" in await page.inner_text("main .quiet")


@pytest.mark.parametrize("view", ["funnel", "paths", "retention"])
@pytest.mark.parametrize("width", [320, 390])
async def test_on_a_phone_nothing_is_wider_than_the_page(
    visit: Visit, filled: AsyncClient, view: str, width: int
) -> None:
    page = await looked_at(visit, filled, view, range="2025-03-20,2025-03-29", period="day")
    await page.set_viewport_size({"width": width, "height": 800})
    await settled(page)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await page.locator("nav.views").evaluate("nav => nav.scrollWidth <= nav.clientWidth")
