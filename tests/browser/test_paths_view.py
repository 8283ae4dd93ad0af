"""Paths in a browser: the API's numbers as a diagram and a table, from whichever event."""

from typing import Any

import pytest
from httpx import AsyncClient

from tests.browser.accessible import faults
from tests.browser.conftest import Visit
from tests.browser.known import chosen, looked_at, rows, settled
from tests.browser.visits import RANGE

WORDS = {"exit": "session ends", "entry": "session begins", "other": "other events", "cut": "beyond 100 events"}


async def expected(api: AsyncClient, asked: dict[str, Any], *, backwards: bool = False) -> list[list[str]]:
    """Rows of the table: step, from, to, sessions."""
    answer = await api.post("/v1/paths", json={"date_range": RANGE.split(","), **asked})
    assert answer.status_code == 200, answer.text
    paths = answer.json()
    assert paths["links"]
    nodes = {node["id"]: node for node in paths["nodes"]}
    found = []
    for link in paths["links"]:
        ends = [nodes[link["source"]], nodes[link["target"]]]
        names = [node["event"] or WORDS[node["kind"]] for node in (reversed(ends) if backwards else ends)]
        found.append([str(max(node["level"] for node in ends)), *names, str(link["sessions"])])
    return found


async def test_paths_from_the_first_event_are_the_apis(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "paths", levels="2", most="3")
    assert [row[:4] for row in await rows(page, "figure")] == await expected(filled, {"levels": 2, "most": 3})
    assert await page.locator(".plot .sankey-node").count() > 0


@pytest.mark.parametrize("way", ["from", "to"])
async def test_paths_after_and_before_an_event_are_chosen_in_the_page(
    visit: Visit, filled: AsyncClient, way: str
) -> None:
    page = await looked_at(visit, filled, "paths", levels="2")
    await page.select_option("#way", way)
    await page.wait_for_selector(".empty")
    assert "Name an event" in await page.inner_text(".empty")
    await page.fill("#event", "beer_cart")
    await page.press("#event", "Enter")
    await page.wait_for_selector("figure")
    await settled(page)
    asked = {way: "beer_cart", "levels": 2, "most": 6}
    assert [row[:4] for row in await rows(page, "figure")] == await expected(filled, asked, backwards=way == "to")
    assert (chosen(page)["way"], chosen(page)["event"]) == (way, "beer_cart")


async def test_an_event_of_the_diagram_is_where_the_next_one_begins(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "paths", levels="2")
    await page.locator(".sankey-node .node-rect").first.click()
    await page.wait_for_url(lambda url: "way=from" in url)
    await settled(page)
    asked: Any = {"from": chosen(page)["event"], "levels": 2, "most": 6}
    assert [row[:4] for row in await rows(page, "figure")] == await expected(filled, asked)


async def test_an_event_that_there_is_not_says_what_to_do(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "paths", way="from", event="nothing_of_the_kind")
    assert "Choose another event" in await page.inner_text(".empty")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_use_it(visit: Visit, filled: AsyncClient, scheme: Any) -> None:
    page = await looked_at(visit, filled, "paths", way="from", event="beer_cart")
    await page.emulate_media(color_scheme=scheme)
    assert await faults(page) == []
