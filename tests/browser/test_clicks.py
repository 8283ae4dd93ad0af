"""Clicks on what is named, links that lead away, and events of the page's own."""

from redis.asyncio import Redis

from clickloom.keys import Keys
from tests.browser.conftest import Arrived, Site, Visit, open_site
from tests.browser.gate import Gate
from tests.services.api.ingest.test_native import rejected

STUB = "window.clickloom = window.clickloom || function () { (clickloom.q = clickloom.q || []).push(arguments) }"


async def test_a_named_element_is_an_event_of_its_name(site: Site, visit: Visit, arrived: Arrived) -> None:
    site.put("/", "<button id=b data-click=add_to_cart><i>add</i></button><button id=c>nothing</button>")
    page = await visit.page(site.address)
    await page.click("#b i")
    await page.click("#c")
    [click] = await arrived(1, client_event="add_to_cart")
    assert (click["page_url"], click["properties"]) == (f"{site.address}/", None)


async def test_a_link_to_another_site_is_an_outbound_click(site: Site, visit: Visit, arrived: Arrived) -> None:
    async with open_site() as other:
        other.put("/page", snippet="")
        site.put("/", f"<a id=a href={other.address}/page?q=1#part><b>away</b></a>")
        page = await visit.page(site.address)
        await page.click("#a b")
        [click] = await arrived(1, client_event="outbound_click")
    assert click["properties"] == {"url": f"{other.address}/page?q=1#part"}


async def test_a_middle_click_counts_and_other_links_do_not(site: Site, visit: Visit, arrived: Arrived) -> None:
    links = "<a id=in href=#x>in</a> <a id=mail href=mailto:a@b.example>mail</a> <a id=none>none</a>"
    site.put("/", f"<a id=out href={site.address.replace('127.0.0.1', 'localhost')}/x>out</a> {links}")
    page = await visit.page(site.address)
    await page.evaluate("addEventListener('click', event => event.preventDefault())")
    for name in ("in", "mail", "none"):
        await page.click(f"#{name}")
    await page.click("#out", button="middle")
    await page.click("#out", button="right")
    await page.evaluate("clickloom('last')")
    await arrived(1, client_event="last")
    assert [click["client_event"] for click in await arrived(3)] == ["page_view", "outbound_click", "last"]


async def test_a_named_link_has_its_name_and_its_address(site: Site, visit: Visit, arrived: Arrived) -> None:
    site.put("/", "<a id=a data-click=to_cart href=/cart>cart</a>")
    site.put("/cart")
    page = await visit.page(site.address)
    await page.click("#a")
    [click] = await arrived(1, client_event="to_cart")
    assert click["properties"] == {"url": f"{site.address}/cart"}


async def test_a_click_within_a_web_component_is_seen_though_the_page_stops_it(
    site: Site, visit: Visit, arrived: Arrived
) -> None:
    site.put("/", "<x-y id=x></x-y>")
    page = await visit.page(site.address)
    await page.evaluate("""() => {
        const shadow = document.querySelector('#x').attachShadow({mode: 'open'})
        shadow.innerHTML = '<button data-click=inner>b</button>'
        shadow.firstChild.addEventListener('click', event => event.stopPropagation())
    }""")
    await page.click("#x button")
    assert await arrived(1, client_event="inner")


async def test_an_order_fills_the_orders_fields_and_the_rest_are_properties(
    site: Site, visit: Visit, arrived: Arrived
) -> None:
    page = await visit.page(site.address)
    order = (
        "{order_id: 17, revenue: 0.1 + 0.2, currency: 'EUR', experiments: {checkout: 'A'}, items: [{n: 'Žatec 🍺'}]}"
    )
    await page.evaluate(f"clickloom('order_completed', {order})")
    [click] = await arrived(1, client_event="order_completed")
    assert (click["order_id"], str(click["revenue"]), click["currency"]) == ("17", "0.3", "EUR")
    assert click["experiments"] == {"checkout": "A"}
    assert click["properties"] == {"items": [{"n": "Žatec 🍺"}]}


async def test_calls_before_the_script_is_there_are_not_lost(site: Site, visit: Visit, arrived: Arrived) -> None:
    site.files["/stub.js"] = STUB + "; clickloom('early', {n: 1}); clickloom('early', {n: 2})"
    site.put("/", snippet="<script src=/stub.js></script>" + site.snippet)
    await visit.page(site.address)
    clicks = await arrived(3)
    assert [(click["client_event"], click["properties"]) for click in clicks] == [
        ("page_view", None),
        ("early", {"n": 1}),
        ("early", {"n": 2}),
    ]


async def test_the_stub_alone_hinders_nothing(site: Site, visit: Visit, arrived: Arrived) -> None:
    site.files["/stub.js"] = STUB
    site.put("/", snippet="<script src=/stub.js></script>" + site.snippet)
    await visit.page(site.address)
    assert await arrived(1, client_event="page_view")


async def test_what_cannot_be_sent_is_told_on_the_console_and_harms_nothing(
    site: Site, visit: Visit, arrived: Arrived, redis: Redis, keys: Keys
) -> None:
    page = await visit.page(site.address)
    await page.evaluate("const ring = {}; ring.ring = ring; clickloom('ring', ring)")
    assert "circular" in visit.complaints.pop()
    async with page.expect_console_message(lambda message: message.text.startswith("clickloom")):
        await page.evaluate("clickloom('x'.repeat(65)); clickloom('good'); clickloom('order', {revenue: NaN})")
    visit.complaints.clear()
    assert await arrived(1, client_event="good")
    codes = [(event.source, event.code) for event in await rejected(redis, keys)]
    assert codes == [("tracker", "invalid_field"), ("tracker", "invalid_revenue")]


async def test_an_event_larger_than_a_beacon_is_refused_and_does_not_stop_what_follows(
    site: Site, visit: Visit, arrived: Arrived, gate: Gate
) -> None:
    page = await visit.page(site.address)
    async with page.expect_console_message(lambda message: "8 KiB" in message.text):
        await page.evaluate("clickloom('large', {text: 'ž'.repeat(50_000)}); clickloom('after')")
    await arrived(1, client_event="after")
    visit.complaints.clear()
    assert len([event for event in gate.events if event["client_event"] == "large"]) == 1


async def test_many_events_at_once_all_come(site: Site, visit: Visit, arrived: Arrived, gate: Gate) -> None:
    page = await visit.page(site.address)
    await page.evaluate("for (let n = 0; n < 190; n++) clickloom('many', {n, text: 'ž'.repeat(500)})")
    clicks = await arrived(190, client_event="many")
    assert [click["properties"]["n"] for click in clicks] == list(range(190))
    assert max(map(len, gate.bodies)) < 32_000
    assert len(gate.events) == 191
