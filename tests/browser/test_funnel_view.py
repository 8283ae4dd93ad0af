"""Funnel in a browser: the API's numbers, steps that can be changed by the keyboard, and a link that shows the same."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from httpx import AsyncClient
from playwright.async_api import Page

from clickloom.settings import Settings
from tests.browser.accessible import faults
from tests.browser.conftest import Visit
from tests.browser.known import chosen, looked_at, rows, settled
from tests.browser.visits import DAY, MIDNIGHT, RANGE
from tests.services.api.conftest import Keep, serving
from tests.sessions import session

STEPS = [{"event": ["beer_vitrine_nav", "beer_products"]}, {"event": ["beer_cart"]}, {"event": ["beer_checkout"]}]


async def asked(api: AsyncClient, **more: Any) -> Any:
    answer = await api.post("/v1/funnels", json={"steps": STEPS, "date_range": RANGE.split(","), **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def counts(page: Page) -> list[int]:
    texts = await page.locator(".funnel .step-head .number").all_inner_texts()
    return [int(text.split()[0].replace(",", "")) for text in texts]


async def focused(page: Page) -> str:
    return str(await page.evaluate("document.activeElement.id"))


async def test_steps_groups_and_conversion_are_the_apis(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "funnel", steps=STEPS, breakdown="device_type", within="24h")
    answer = await asked(filled, breakdown="device_type", within="24h")
    assert await counts(page) == [step["count"] for step in answer["steps"]]
    assert all(await counts(page))
    assert (await page.inner_text("[aria-label='Conversion'] .figure")) == f"{100 * answer['conversion']:.1f} %"
    assert [row[:-1] for row in await rows(page, "[aria-label='By device']")] == [
        [group["value"], *(str(step["count"]) for step in group["steps"])] for group in answer["breakdown"]
    ]
    second = await page.locator(".funnel li").nth(1).inner_text()
    step = answer["steps"][1]
    assert f"{100 * step['of_previous']:.1f} % of the step before" in second
    assert f"{step['dropped']} dropped" in second


async def test_without_a_choice_steps_lead_to_an_order(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "funnel")
    names = await page.locator(".steps li > input").evaluate_all("inputs => inputs.map(input => input.value)")
    assert names == ["beer_vitrine_nav", "beer_products", "beer_cart", "beer_checkout"]
    assert (await counts(page))[0] > 0


@pytest.fixture
async def unknown_site(settings: Settings, keep: Keep) -> AsyncIterator[AsyncClient]:
    """Of none of the shop's events, and with some that are neither a session's first nor its last."""
    ways = [["open", "read", "write", "send"]] * 3 + [["open", "read", "leave"]] * 2
    await keep(*(session(MIDNIGHT + DAY + at, user=f"u{at}", path=way) for at, way in enumerate(ways)))
    async with serving(settings) as client:
        yield client


async def test_of_a_site_that_is_not_known_steps_are_its_usual_events_in_their_order(
    visit: Visit, unknown_site: AsyncClient
) -> None:
    page = await looked_at(visit, unknown_site, "funnel")
    steps = page.locator(".steps li > input")
    assert await steps.evaluate_all("all => all.map(input => input.value)") == ["open", "read", "write", "send"]
    assert await counts(page) == [5, 5, 3, 3]
    offered = await page.locator("#known-events option").evaluate_all("all => all.map(option => option.value)")
    assert offered == ["open", "read", "send", "write", "leave"]
    await page.click("#add-step")
    await settled(page)
    assert await steps.last.input_value() == "leave"


async def test_steps_are_changed_by_the_keyboard_and_a_link_shows_the_same(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "funnel", steps=STEPS)
    await page.focus("#step-1")
    await page.keyboard.press("Control+A")
    await page.keyboard.type("beer_selection | beer_cart")
    await page.keyboard.press("Tab")
    await settled(page)
    await page.focus("#up-2")
    await page.keyboard.press("Enter")
    await settled(page)
    assert [step["event"] for step in json.loads(chosen(page)["steps"])] == [
        ["beer_vitrine_nav", "beer_products"],
        ["beer_checkout"],
        ["beer_selection", "beer_cart"],
    ]
    await page.focus("#add-step")
    await page.keyboard.press("Enter")
    await settled(page)
    assert await focused(page) == "add-step"
    assert len(await counts(page)) == 4
    await page.focus("#remove-3")
    await page.keyboard.press("Space")
    await settled(page)
    found = await counts(page)
    steps = json.loads(chosen(page)["steps"])
    assert found == [step["count"] for step in (await asked(filled, steps=steps))["steps"]]
    other = await visit.page(page.url)
    await settled(other)
    assert await counts(other) == found


async def test_a_step_can_be_of_some_clicks_only(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "funnel", steps=STEPS)
    await page.select_option("#field-2", "page_url")
    await page.fill("#value-2", "/paid")
    await page.press("#value-2", "Enter")
    await settled(page)
    steps = json.loads(chosen(page)["steps"])
    assert steps[2]["filters"] == [["contains", "page_url", ["/paid"]]]
    assert await counts(page) == [step["count"] for step in (await asked(filled, steps=steps))["steps"]]


async def test_what_is_no_step_is_told_in_the_apis_words(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at_fault(visit, filled)
    assert "steps" in await page.inner_text(".fault")
    visit.complaints.clear()  # the browser notes each answer that is no success


async def looked_at_fault(visit: Visit, api: AsyncClient) -> Page:
    page = await visit.page(f"{api.base_url}/funnel?steps={json.dumps([{'event': ['x' * 200]}, {'event': ['y']}])}")
    await page.wait_for_selector(".fault")
    return page


async def test_nothing_to_make_steps_of_says_what_to_do(visit: Visit, filled: AsyncClient) -> None:
    page = await looked_at(visit, filled, "funnel", range="2020-01-01,2020-01-02")
    assert "Choose a longer time" in await page.inner_text(".empty")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_use_it_and_nothing_leaves_the_host(visit: Visit, filled: AsyncClient, scheme: Any) -> None:
    asked_of: set[str] = set()
    visit.context.on("request", lambda request: asked_of.add(urlsplit(request.url).netloc))
    page = await looked_at(visit, filled, "funnel", steps=STEPS, breakdown="device_type")
    await page.emulate_media(color_scheme=scheme)
    assert await faults(page) == []
    assert asked_of == {urlsplit(str(filled.base_url)).netloc}
