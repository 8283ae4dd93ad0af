"""`GET /pixel.gif`, and what `POST /v1/page-events` does for an event that names no visitor."""

from typing import Any

import pytest
from httpx import AsyncClient
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.settings import Settings
from tests.browser.stored import stored
from tests.services.api.conftest import SHOP, Make, serving
from tests.services.api.ingest.test_native import problem, rejected

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"


async def test_it_is_a_page_view_of_the_page_that_shows_it(api: AsyncClient, redis: Redis, settings: Settings) -> None:
    headers = {"referer": "https://shop.example/beers?utm_source=letter", "user-agent": PHONE}
    answer = await api.get("/pixel.gif?referrer=https://news.example/", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.content.startswith(b"GIF89a")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    [click] = await stored(redis, settings)
    assert (click["client_event"], click["device_id"], click["device_type"]) == ("page_view", "mobile", None)
    assert (click["page_url"], click["referrer"]) == (headers["referer"], "https://news.example/")
    assert (click["utm_source"], click["utm_medium"]) == ("letter", None)
    assert len(click["user_id"]) == 32


async def test_its_query_may_say_everything_else(api: AsyncClient, redis: Redis, settings: Settings) -> None:
    query = {"client_event": "opened", "user_id": "64", "device_id": "computer", "order_id": "7", "revenue": "9.90"}
    assert (await api.get("/pixel.gif", params=query)).status_code == 200
    [click] = await stored(redis, settings)
    assert {name: str(click[name]) for name in query} == query


async def test_what_is_wrong_with_it_is_said_and_kept(api: AsyncClient, redis: Redis, keys: Keys) -> None:
    answer = await api.get("/pixel.gif?colour=red")
    assert "unknown field `colour`" in problem(answer, 422)["detail"]
    [kept] = await rejected(redis, keys)
    assert (kept.source, kept.code) == ("pixel", "invalid_field")


@pytest.mark.parametrize("header", ["DNT", "Sec-GPC"])
async def test_a_browser_that_asks_for_privacy_gets_the_image_and_sends_nothing(
    api: AsyncClient, redis: Redis, settings: Settings, header: str
) -> None:
    answer = await api.get("/pixel.gif", headers={header: "1"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert await stored(redis, settings) == []


async def test_it_needs_a_key_and_a_page_of_its_origins(make: Make, redis: Redis, settings: Settings) -> None:
    key = await make("write", "shop", origins=[SHOP])
    async with serving(settings.model_copy(update={"auth": "on"})) as api:
        problem(await api.get("/pixel.gif"), 401)
        for page in ("https://other.example/x", f"{SHOP}.other.example/", "http://shop.example/"):
            problem(await api.get(f"/pixel.gif?key={key}", headers={"referer": page}), 403)
        for page in (f"{SHOP}/beers", f"{SHOP.upper()}/"):
            assert (await api.get(f"/pixel.gif?key={key}", headers={"referer": page})).status_code == 200
        assert (await api.get(f"/pixel.gif?key={key}")).status_code == 200, "a letter has no origin"
        assert {click["site_id"] for click in await stored(redis, settings)} == {"shop"}


EVENT = {"client_event": "page_view", "client_timestamp": 1_614_346_260_000}


async def sent(api: AsyncClient, redis: Redis, settings: Settings, **fields: Any) -> dict[str, Any]:
    headers = {"origin": SHOP, "user-agent": PHONE}
    answer = await api.post("/v1/page-events", json=[EVENT | fields], headers=headers)
    assert answer.status_code == 202, answer.text
    return (await stored(redis, settings))[-1]


async def test_visitor_device_and_campaign_are_filled_in(api: AsyncClient, redis: Redis, settings: Settings) -> None:
    click = await sent(
        api, redis, settings, page_url=f"{SHOP}/?utm_campaign=a%00b{'c' * 200}&utm_medium=x&utm_medium=y"
    )
    assert (len(click["user_id"]), click["device_id"]) == (32, "mobile")
    assert click["utm_campaign"] == "ab" + "c" * 126
    assert click["utm_medium"] == "x"


async def test_what_the_event_says_itself_stays(api: AsyncClient, redis: Redis, settings: Settings) -> None:
    told = {"user_id": "64", "device_id": "tv", "utm_source": "said"}
    click = await sent(api, redis, settings, page_url=f"{SHOP}/?utm_source=other", **told)
    assert {name: click[name] for name in told} == told


@pytest.mark.parametrize("url", ["https://[shop.example/?utm_source=a", "?" + "&".join(["a=1"] * 400), "http://a:b:c"])
async def test_an_address_that_is_none_is_kept_as_it_is(
    api: AsyncClient, redis: Redis, settings: Settings, url: str
) -> None:
    assert (await sent(api, redis, settings, page_url=url))["page_url"] == url


async def test_a_link_holds_no_secret(api: AsyncClient, redis: Redis, settings: Settings) -> None:
    click = await sent(api, redis, settings, properties={"url": "https://pay.example/?token=abc&lang=en"})
    assert click["properties"] == {"url": "https://pay.example/?token=[scrubbed]&lang=en"}


async def test_a_clock_that_is_wrong_is_put_right_and_a_slow_network_is_no_wrong_clock(
    api: AsyncClient, redis: Redis, settings: Settings
) -> None:
    """The watch of a test's server is right, so what was sent in 2021 is a clock that is years behind."""
    wrong = await sent(api, redis, settings, sent_at=EVENT["client_timestamp"])
    assert wrong["time_us"] > 1_614_346_260_000_000 + 10**12
    answer = await api.post("/v1/page-events", json=EVENT | {"sent_at": "yesterday"})
    assert "sent_at: 'yesterday' is no time" in problem(answer, 422)["detail"]
