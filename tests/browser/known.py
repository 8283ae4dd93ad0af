"""What is done in a view again and again."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from httpx import AsyncClient
from playwright.async_api import Page

from tests.browser.conftest import Visit
from tests.browser.visits import RANGE
from tests.processes import until


async def looked_at(visit: Visit, api: AsyncClient, view: str, **chosen: Any) -> Page:
    """A view in UTC and of RANGE, if nothing else is said; all that it asks for is there."""
    told = {"range": RANGE, "zone": "UTC"} | {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in chosen.items()
    }
    page = await visit.page()
    await page.goto(str(api.base_url.copy_with(path=f"/{view}", params=told)))
    await settled(page)
    return page


async def settled(page: Page) -> None:
    """All that was asked for is shown, and charts are drawn."""
    await page.wait_for_selector("main:not([aria-busy]) h1")

    async def quiet() -> bool:
        return await page.locator("main[aria-busy], main [aria-busy], .plot:not(.drawn)").count() == 0

    await until(quiet, what="all numbers and charts")


def chosen(page: Page) -> dict[str, str]:
    """What stands in the address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def filters(page: Page) -> Any:
    return json.loads(chosen(page).get("filters", "[]"))


async def rows(page: Page, table: str) -> list[list[str]]:
    """The text of a table's cells, row by row, also of one that is folded up."""
    found: list[list[str]] = await page.eval_on_selector_all(
        f"{table} tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return found
