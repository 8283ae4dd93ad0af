"""The dashboard's frame in a browser: signing in, choosing, links that show the same, light and dark, any width."""

import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import AsyncClient
from playwright.async_api import Page, Request

from clickloom.settings import Settings
from tests.browser.accessible import faults
from tests.browser.conftest import Visit
from tests.services.api.conftest import serving

EVENT = {"user_id": 64, "device_id": "computer", "client_event": "beer_cart"}


@pytest.fixture
async def open_api(settings: Settings) -> AsyncIterator[AsyncClient]:
    async with serving(settings) as client:
        yield client


@pytest.fixture(autouse=True)
async def busy_machine(open_api: AsyncClient, visit: Visit) -> AsyncIterator[None]:
    """The view asks /readyz, which gives the stores two seconds; a machine that others use too may take longer.

    The API comes before the browser and outlives it, for a live view whose server has gone complains.
    """
    yield
    visit.complaints[:] = [told for told in visit.complaints if "503" not in told]


async def shown(page: Page) -> None:
    await page.wait_for_selector("main:not([aria-busy]) h1")


async def dashboard(visit: Visit, api: AsyncClient, path: str = "/") -> Page:
    page = await visit.page(f"{api.base_url}{path}".replace("//health", "/health"))
    await shown(page)
    return page


def chosen(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


async def test_it_asks_no_other_host_and_complains_of_nothing(visit: Visit, open_api: AsyncClient) -> None:
    hosts = set()

    def note(request: Request) -> None:
        hosts.add(urlsplit(request.url).netloc)

    visit.context.on("request", note)
    page = await dashboard(visit, open_api)
    assert await page.title() == "Live · Clickloom"
    assert hosts == {urlsplit(str(open_api.base_url)).netloc}


async def test_without_events_it_says_how_to_send_one(visit: Visit, open_api: AsyncClient) -> None:
    page = await dashboard(visit, open_api, "/health")
    assert f"{open_api.base_url}/t.js" in await page.inner_text(".empty pre")


CHARTS = """async () => {
    const { chart } = await import('/app/charts.js');
    const kinds = {
        bar: {x: [1, 2], y: [3, 4]}, scatter: {x: [1, 2], y: [3, 4]}, pie: {labels: ['a', 'b'], values: [1, 2]},
        heatmap: {z: [[1, 2], [3, 4]]}, funnel: {y: ['a', 'b'], x: [2, 1]}, histogram: {x: [1, 1, 2]},
        treemap: {labels: ['all', 'a'], parents: ['', 'all'], values: [2, 1]},
        sankey: {node: {label: ['a', 'b']}, link: {source: [0], target: [1], value: [1]}},
    };
    for (const [type, numbers] of Object.entries(kinds)) document.getElementById('main').append(chart({
        title: type, traces: () => [{type, ...numbers}], columns: [{title: 'x'}], rows: [[1]],
    }));
    return Object.keys(kinds).length;
}"""


async def test_every_kind_of_chart_is_drawn_under_the_policy_with_a_table_beside_it(
    visit: Visit, open_api: AsyncClient
) -> None:
    page = await dashboard(visit, open_api)
    count = await page.evaluate(CHARTS)
    await page.locator(".plot.drawn").nth(count - 1).wait_for()
    assert await page.locator(".plot:has(svg.main-svg)").count() == count
    assert await page.locator("figure table").count() == count
    assert await page.locator("figure .fault").count() == 0
    assert await faults(page) == []


async def test_what_is_chosen_stands_in_the_address_and_the_address_shows_it_again(
    visit: Visit, open_api: AsyncClient
) -> None:
    page = await dashboard(visit, open_api)
    await page.select_option("#window", "minutes")
    await page.select_option("#zone", "Europe/Berlin")
    await shown(page)
    assert (chosen(page)["window"], chosen(page)["zone"]) == (["minutes"], ["Europe/Berlin"])
    again = await dashboard(visit, open_api, urlsplit(page.url).path + "?" + urlsplit(page.url).query)
    assert await again.input_value("#window") == "minutes"
    assert await again.input_value("#zone") == "Europe/Berlin"
    await page.go_back()
    await shown(page)
    assert await page.input_value("#zone") == "UTC"


async def test_the_keyboard_goes_on_where_it_was_after_a_choice(visit: Visit, open_api: AsyncClient) -> None:
    page = await dashboard(visit, open_api)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.focus("#window")
    await page.keyboard.press("ArrowDown")
    await page.wait_for_url("**window=minutes**")
    assert await page.evaluate("document.activeElement.id") == "window"


async def test_a_view_is_saved_by_name_and_forgotten(visit: Visit, open_api: AsyncClient) -> None:
    page = await dashboard(visit, open_api, "/health?window=minutes&zone=UTC")
    await page.click("#saved")
    await page.fill("#save-as", "By the minute")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".saved a")
    await page.select_option("#window", "visits")
    await shown(page)
    await page.click("#saved")
    await page.click("text=By the minute")
    await page.wait_for_url("**window=minutes**")
    await shown(page)
    await page.click("#saved")
    await page.click("button[aria-label='Forget By the minute']")
    assert await page.locator(".saved a").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
async def test_light_or_dark_narrow_or_wide_all_can_use_it_and_nothing_is_cut_off(
    visit: Visit, open_api: AsyncClient, theme: str, width: int
) -> None:
    await open_api.post("/v1/events", json=EVENT | {"client_timestamp": 1_700_000_000_000})
    page = await dashboard(visit, open_api)
    await page.set_viewport_size({"width": width, "height": 800})
    await page.select_option("#theme", theme)
    assert await faults(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await page.reload()
    await shown(page)
    assert await page.evaluate("getComputedStyle(document.documentElement).colorScheme") == theme


async def test_a_person_signs_in_and_out_and_the_key_is_in_no_address(
    visit: Visit, read_key: str, settings: Settings
) -> None:
    addresses: list[str] = []
    visit.context.on("request", lambda request: addresses.append(request.url))
    async with serving(settings.model_copy(update={"auth": "on"})) as api:
        page = await visit.page(f"{api.base_url}/health?window=minutes")
        assert await faults(page) == []
        await page.fill("#key", "clr_wrong")
        await page.keyboard.press("Enter")
        assert await page.inner_text("#fault") == "This key is not known, or was revoked."
        await page.fill("#key", read_key)
        await page.keyboard.press("Enter")
        await shown(page)
        assert chosen(page)["window"] == ["minutes"]
        assert await page.evaluate("document.cookie") == ""
        await page.click("text=Sign out")
        await page.wait_for_url("**/signin")
        await page.goto(f"{api.base_url}/health")
        assert urlsplit(page.url).path == "/signin"
    assert not [address for address in addresses if read_key in address]
    visit.complaints.clear()  # of the 401 to the wrong key


async def test_who_is_signed_out_meanwhile_is_asked_again_and_comes_back(
    visit: Visit, read_key: str, settings: Settings
) -> None:
    async with serving(settings.model_copy(update={"auth": "on"})) as api:
        page = await visit.page(f"{api.base_url}/health")
        await page.fill("#key", read_key)
        await page.keyboard.press("Enter")
        await shown(page)
        await visit.context.clear_cookies()
        await page.select_option("#window", "minutes")
        await page.wait_for_url("**/signin**")
        await page.fill("#key", read_key)
        await page.keyboard.press("Enter")
        await shown(page)
        assert chosen(page)["window"] == ["minutes"]
    visit.complaints.clear()  # of the 401 that sent them


async def test_what_comes_with_a_link_is_text_and_never_markup(visit: Visit, open_api: AsyncClient) -> None:
    evil = "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"
    page = await dashboard(visit, open_api, f"/health?site={evil}&filters=%5B%22{evil}%22%5D&range={evil}")
    assert await page.locator("img[src=x]").count() == 0
    assert await page.input_value("#site") == "<img src=x onerror=alert(1)>"


FILTERS = """async () => {
    const { filterBar, addFilter } = await import('/app/filters.js');
    const { read } = await import('/app/state.js');
    const place = document.createElement('section');
    document.body.append(place);
    const draw = () => place.replaceChildren(...filterBar(read()).filter(Boolean));
    addEventListener('statechange', draw);
    window.addFilter = addFilter;
    draw();
}"""


async def test_filters_are_added_in_a_dialog_shown_as_words_and_stand_in_the_address(
    visit: Visit, open_api: AsyncClient
) -> None:
    page = await dashboard(visit, open_api)
    await page.evaluate(FILTERS)
    await page.click("#add-filter")
    await page.select_option("dialog select >> nth=0", "entry_page")
    await page.select_option("dialog select >> nth=1", "contains")
    await page.fill("dialog input", "/beer | /ale")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**filters=**")
    assert json.loads(chosen(page)["filters"][0]) == [["contains", "entry_page", ["/beer", "/ale"]]]
    await page.evaluate("addFilter(['at_least', 'duration_sec', [20]])")
    assert json.loads(chosen(page)["filters"][0])[1] == ["at_least", "duration_sec", [20]]
    again = await visit.page(page.url)
    await shown(again)
    await again.evaluate(FILTERS)
    words = await again.locator(".chip").all_inner_texts()
    assert [text.removesuffix("✕").strip() for text in words] == [
        "Entry page contains /beer or /ale",
        "Duration (s) at least 20",
    ]
    await again.click("button[aria-label='Remove Duration (s) at least 20']")
    assert json.loads(chosen(again)["filters"][0]) == [["contains", "entry_page", ["/beer", "/ale"]]]
