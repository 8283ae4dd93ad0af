"""Open sessions, as a real sessionizer keeps them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import AsyncClient
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.times import now_us, to_datetime
from services.api.open_sessions import OpenSessionAnswer
from tests.clicks import click
from tests.processes import Start, until
from tests.services.api.conftest import Make, serving
from tests.services.api.ingest.test_native import problem

NOW = 1_614_358_325.25  # 26 February 2021, 16:52:05.25 UTC
TOLD = {"page_url": "/vitrine", "referrer": "r", "utm_source": "s", "experiments": {"a": "b"}}


@pytest.fixture
def publisher(redis: Redis, keys: Keys, settings: Settings) -> Publisher:
    return Publisher(redis, keys=keys, partitions=settings.partitions)


@pytest.fixture
async def some(start: Start, publisher: Publisher) -> AsyncIterator[None]:
    """Three open sessions of three visitors, and a closed one."""
    sessionizer = start("sessionizer", COMMIT_INTERVAL="10ms")
    await sessionizer.logged("partitions.taken")
    closed = [click(NOW - 7200, user="before")]
    first = [click(NOW, user="64", event="nav", **TOLD), click(NOW + 120.5, user="64", event="cart")]
    others = [click(NOW + 60, user="b", event="nav", device_id="mobile"), click(NOW + 90, user="c", site_id="shop")]
    for clicks in (closed, first, others):
        await publisher.publish(clicks, arrival_us=now_us())
    await publisher.end_input(watermark_us=round((NOW + 300) * 1e6), arrival_us=now_us())
    yield
    sessionizer.stop()


async def listed(api: AsyncClient, **filters: Any) -> dict[str, Any]:
    answer = await api.get("/v1/sessions/open", params=filters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def users(api: AsyncClient, **filters: Any) -> list[str]:
    return [row["user_id"] for row in (await listed(api, **filters))["sessions"]]


async def all_there(api: AsyncClient) -> None:
    async def there() -> bool:
        found = await listed(api)
        return found["as_of"] is not None and found["as_of"] >= "2021-02-26T16:57:05" and len(found["sessions"]) == 3

    await until(there, what="three open sessions")


@pytest.mark.usefixtures("some")
async def test_a_session_is_shown_as_far_as_it_is(api: AsyncClient) -> None:
    await all_there(api)
    [row] = (await listed(api, user_id="64"))["sessions"]
    assert row.pop("watermark") >= "2021-02-26T16:57:05"
    assert OpenSessionAnswer.model_validate(row | {"watermark": to_datetime(0)})
    told = {"entry_url": "/vitrine", "referrer": "r", "utm_source": "s", "experiments": {"a": "b"}}
    so_far = {
        "session_id": "64_COM1614358320",
        "window": "visits",
        "events": 2,
        "begin_navigation": "nav",
        "end_navigation": "cart",
        "begin_session": "2021-02-26T16:52:05.250000Z",
        "end_session": "2021-02-26T16:54:05.750000Z",
        "duration_sec": 120,
        "path": [{"event": "nav", "offset_ms": 0}, {"event": "cart", "offset_ms": 120500}],
        "converted": False,
        "version": 0,
    }
    assert {name: row[name] for name in (told | so_far)} == told | so_far
    assert not {"bounced", "closed_by"} & set(row), "nobody knows yet"


@pytest.mark.usefixtures("some")
async def test_each_filter_leaves_out_what_it_says(api: AsyncClient) -> None:
    await all_there(api)
    assert await users(api) == ["c", "b", "64"], "newest first, and none that is closed"
    assert await users(api, site_id="shop") == ["c"]
    assert await users(api, user_id="b") == ["b"]
    assert await users(api, device_id="mobile") == ["b"]
    assert await users(api, event="cart") == ["64"]
    assert await users(api, event="nav") == ["b", "64"]
    assert await users(api, event="checkout") == []
    assert await users(api, min_duration_sec=120) == ["64"]
    assert await users(api, min_duration_sec=121) == []
    assert await users(api, max_duration_sec=120) == ["c", "b", "64"], "as duration_sec, which is truncated"
    assert await users(api, max_duration_sec=119) == ["c", "b"]


@pytest.mark.usefixtures("some")
async def test_pages_visit_each_session_once(api: AsyncClient) -> None:
    await all_there(api)
    found, cursor = [], dict[str, str]()
    for _ in range(3):
        page = await listed(api, limit=1, **cursor)
        found += [row["user_id"] for row in page["sessions"]]
        cursor = {"cursor": page["next_cursor"]}
    assert found == ["c", "b", "64"]
    assert cursor == {"cursor": None}


@pytest.mark.usefixtures("some")
async def test_a_read_key_shows_its_sites_and_no_other(locked: Settings, api: AsyncClient, make: Make) -> None:
    await all_there(api)
    headers = {"authorization": f"Bearer {await make('read', 'shop')}"}
    async with serving(locked) as closed:
        found = (await closed.get("/v1/sessions/open", headers=headers)).json()["sessions"]
        assert [row["site_id"] for row in found] == ["shop"]
        problem(await closed.get("/v1/sessions/open", params={"site_id": "blog"}, headers=headers), 403)
        problem(await closed.get("/v1/sessions/open"), 401)


async def test_without_a_click_there_is_none_and_no_watermark(api: AsyncClient) -> None:
    assert await listed(api) == {"sessions": [], "next_cursor": None, "as_of": None}


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("window=hours", "window"),
        ("limit=1001", "limit"),
        ("min_duration_sec=-1", "min_duration_sec"),
        ("event=" + "x" * 129, "event"),
        ("cursor=e30=", "cursor"),
        ("colour=red", "colour"),
    ],
)
async def test_a_question_that_is_none_is_answered_with_the_fields_name(
    api: AsyncClient, question: str, field: str
) -> None:
    answer = problem(await api.get(f"/v1/sessions/open?{question}"), 422)
    assert [error["field"] for error in answer["errors"]] == [field]
