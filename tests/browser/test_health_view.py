"""The health view in a browser: what `GET /v1/status` tells, in words and tables."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from httpx import AsyncClient
from playwright.async_api import Page
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.access import make_key
from clickloom.access_table import keep_key
from clickloom.keys import Keys
from clickloom.layout import lay_out
from clickloom.settings import Settings
from tests.browser.accessible import faults
from tests.browser.conftest import Visit
from tests.processes import Start, until
from tests.services.api.conftest import serving

EVENT = {"user_id": 64, "device_id": "computer", "client_event": "beer_cart"}
WRONG = [{"device_id": "computer"}, EVENT | {"client_timestamp": "2071-01-01"}, EVENT | {"colour": "red"}]


@pytest.fixture
async def served(settings: Settings, keys: Keys, start: Start) -> AsyncIterator[AsyncClient]:
    """With three refused events in Postgres, a persister, and no sessionizer."""
    await lay_out(settings.redis_url, keys=keys, partitions=settings.partitions, windows=settings.parsed_windows())
    start("persister", BUFFER_SECONDS="0.05")
    async with serving(settings) as client:
        assert (await client.post("/v1/events", json=WRONG)).status_code == 422

        async def kept() -> bool:
            rejected = (await client.get("/v1/status")).json()["rejected"]
            return bool(sum(row["last_day"] for row in rejected["by_reason"]) == 3)

        await until(kept)
        yield client


async def health(visit: Visit, api: AsyncClient) -> Page:
    page = await visit.page(f"{api.base_url}/health".replace("//health", "/health"))
    await page.wait_for_selector("main:not([aria-busy]) h1")
    return page


async def rows(page: Page, title: str) -> list[list[str]]:
    found = await page.locator(f"section[aria-label='{title}'] tbody tr").all()
    return [await row.locator("td").all_inner_texts() for row in found]


async def test_it_shows_what_the_status_tells(served: AsyncClient, visit: Visit) -> None:
    page = await health(visit, served)
    told: dict[str, Any] = (await served.get("/v1/status")).json()
    assert await rows(page, "Refused events") == [
        [row["code"].replace("_", " "), str(row["last_hour"]), str(row["last_day"])]
        for row in told["rejected"]["by_reason"]
    ]
    latest = await rows(page, "Refused events, the latest")
    assert {row[-1] for row in latest} == {row["message"] for row in told["rejected"]["latest"]}
    windows = await rows(page, "Windows")
    assert [(row[0], row[1], row[2]) for row in windows] == [
        (one["window"], one["definition"], "0 of 4") for one in told["system"]["windows"]
    ]
    partitions = await rows(page, "Partitions")
    assert [row[0] for row in partitions] == ["0", "1", "2", "3"]
    assert all("nobody" in row for row in partitions)
    troubles = await page.locator("p.fault").all_inner_texts()
    assert [trouble for trouble in troubles if "start a sessionizer" in trouble]
    assert await page.inner_text("section[aria-label='Late clicks'] p:last-child") == "None within the last 24 hours."


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_all_can_use_it_light_or_dark_narrow_or_wide(served: AsyncClient, visit: Visit, theme: str) -> None:
    page = await health(visit, served)
    await page.select_option("#theme", theme)
    for width in (320, 1280):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture
async def shop_key(engine: AsyncEngine) -> str:
    text, key = make_key(
        "read", name="a test's", sites=["shop"], origins=[], scopes=["read"], created_at=datetime.now(UTC)
    )
    await keep_key(engine, key)
    return text


async def test_a_key_of_one_site_is_told_that_there_is_more(
    shop_key: str, settings: Settings, keys: Keys, visit: Visit
) -> None:
    await lay_out(settings.redis_url, keys=keys, partitions=settings.partitions, windows=settings.parsed_windows())
    async with serving(settings.model_copy(update={"auth": "on"})) as api:
        page = await visit.page(f"{api.base_url}/signin?next=/health".replace("//signin", "/signin"))
        await page.fill("#key", shop_key)
        await page.keyboard.press("Enter")
        await page.wait_for_selector("main:not([aria-busy]) h1:has-text('Health')")
        assert "a key of all sites, or of the scope admin, sees them" in await page.inner_text("main")
        assert await page.locator("section[aria-label='Windows']").count() == 0
        assert await page.locator("section[aria-label='Late clicks']").count() == 1
        await page.goto("about:blank")
