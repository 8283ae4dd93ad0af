"""The Python client against a real API: pages, tables, SQL, events and live numbers, waiting and not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent
from redis.asyncio import Redis

from clickloom.client import ApiError, AsyncClient, Client, LiveTick, MissingLibrary, live, tables
from clickloom.connect import fix_layout
from clickloom.keys import Keys
from clickloom.settings import Settings
from tests.client.conftest import Failing
from tests.services.api.conftest import Keep, Make, serving
from tests.services.api.query.test_sessions import DAY
from tests.sessions import session

MANY = 2_500


@pytest.fixture
def client(api: httpx.AsyncClient) -> Iterator[Client]:
    with Client(str(api.base_url)) as client:
        yield client


@pytest.fixture
async def waiting(api: httpx.AsyncClient) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(str(api.base_url)) as client:
        yield client


async def test_sessions_come_page_by_page_with_their_types(client: Client, waiting: AsyncClient, keep: Keep) -> None:
    await keep(*(session(DAY + number, user=f"u{number}", revenue=Decimal("9.50")) for number in range(MANY)))
    found = await asyncio.to_thread(lambda: list(client.sessions()))
    assert found == [one async for one in waiting.sessions()]
    assert [one.user_id for one in found] == [f"u{number}" for number in reversed(range(MANY))]
    assert found[-1].begin_session == datetime(2021, 2, 26, tzinfo=UTC)
    assert (found[0].revenue, found[0].path[0].event) == (Decimal("9.5"), "beer_vitrine_nav")
    assert await asyncio.to_thread(client.session, found[0].session_uid) == found[0]
    assert await waiting.session(found[0].session_uid) == found[0]


async def test_filters_are_those_of_the_api(client: Client, waiting: AsyncClient, keep: Keep) -> None:
    await keep(session(DAY, user="a", events=3, bounced=False), session(DAY + 1, user="b"), session(DAY + 2, user="c"))
    asked: Any = {
        "from_": datetime(2021, 2, 26, tzinfo=UTC),
        "to": "2021-02-26T00:00:02Z",
        "device_type": ["computer", "mobile"],
        "bounced": False,
        "min_events": 2,
        "filters": [["is", "user_id", ["a", "b"]]],
        "order": "begin_session",
    }
    assert [one.user_id for one in await asyncio.to_thread(lambda: list(client.sessions(**asked)))] == ["a"]
    assert [one.user_id async for one in waiting.sessions(**{**asked, "bounced": True, "min_events": 1})] == ["b"]


async def test_sessions_are_tables_of_arrow_polars_and_pandas(client: Client, waiting: AsyncClient, keep: Keep) -> None:
    await keep(*(session(DAY + number, user=f"u{number}", events=2) for number in range(10)))
    asked = client.sessions(order="begin_session")
    arrow = await asyncio.to_thread(asked.to_arrow)
    assert arrow.num_rows == 10
    assert arrow["path"][0].as_py() == [{"event": "beer_vitrine_nav", "offset_ms": at} for at in (0, 1000)]
    polars = await asyncio.to_thread(asked.to_polars, ["user_id", "events"])
    assert polars.columns == ["user_id", "events"]
    assert polars["events"].sum() == 20
    pandas = await asyncio.to_thread(asked.to_pandas)
    assert list(pandas["user_id"]) == [f"u{number}" for number in range(10)]
    later = waiting.sessions(order="begin_session")
    assert (await later.to_arrow()).equals(arrow)
    assert (await later.to_polars(["user_id", "events"])).equals(polars)
    assert len(await later.to_pandas()) == 10


async def test_a_table_of_more_than_a_page_is_whole(client: Client, keep: Keep) -> None:
    await keep(*(session(DAY + number, user=f"u{number}") for number in range(10_005)))
    found = await asyncio.to_thread(client.sessions().to_arrow, ["user_id"])
    assert found["user_id"].to_pylist() == [f"u{number}" for number in reversed(range(10_005))]


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(tables, "import_module", missing)
    with pytest.raises(MissingLibrary, match="pip install polars"):
        tables.to_polars(None)


async def test_a_timeline_is_of_a_user_whatever_the_id(client: Client, waiting: AsyncClient, keep: Keep) -> None:
    await keep(*(session(DAY + number, user="a/ü?") for number in range(3)))
    found = await asyncio.to_thread(lambda: list(client.timeline("a/ü?", to="2021-02-26T00:00:02Z")))
    assert [(one.kind, one.session.user_id if one.session else "") for one in found] == [("session", "a/ü?")] * 2
    assert [one async for one in waiting.timeline("a/ü?", to="2021-02-26T00:00:02Z")] == found


async def test_numbers_are_those_of_the_api(client: Client, waiting: AsyncClient, keep: Keep) -> None:
    await keep(
        *(session(DAY + number, user=f"u{number}", device_type="mobile") for number in range(2)),
        session(DAY + 9, user="u9", device_type="computer", converted=True, orders=1, revenue=Decimal("9.50")),
    )
    asked: Any = {
        "metrics": ["sessions", "revenue"],
        "date_range": ["2021-02-26", "2021-02-26"],
        "dimensions": ["device_type"],
        "include": {"totals": True},
    }
    found = await asyncio.to_thread(lambda: client.query(**asked))
    assert list(found) == [
        {"device_type": "mobile", "sessions": 2, "revenue": Decimal(0)},
        {"device_type": "computer", "sessions": 1, "revenue": Decimal("9.5")},
    ]
    assert found.totals
    assert found.totals.metrics == [3, "9.5"]
    assert list(found.to_polars()["device_type"]) == list(found.to_pandas()["device_type"]) == ["mobile", "computer"]
    assert await waiting.query(**asked) == found


async def test_funnels_paths_and_retention_are_those_of_the_api(
    client: Client, waiting: AsyncClient, keep: Keep
) -> None:
    await keep(*(session(DAY + number, user=f"u{number}", events=2) for number in range(3)))
    on: Any = {"date_range": ["2021-02-26", "2021-02-26"]}

    funnel = await asyncio.to_thread(lambda: client.funnel(["beer_vitrine_nav", ["beer_vitrine_nav", "x"]], **on))
    assert [(step.event, step.count) for step in funnel.steps] == [
        (["beer_vitrine_nav"], 3),
        (["beer_vitrine_nav", "x"], 3),
    ]
    assert await waiting.funnel(["beer_vitrine_nav", {"event": ["beer_vitrine_nav", "x"]}], **on) == funnel

    paths = await asyncio.to_thread(lambda: client.paths(from_="beer_vitrine_nav", levels=1, **on))
    assert paths.sessions == 3
    assert [(link.source, link.target, link.sessions) for link in paths.links] == [
        ("0:event:beer_vitrine_nav", "1:event:beer_vitrine_nav", 3)
    ]
    assert await waiting.paths(from_="beer_vitrine_nav", levels=1, **on) == paths

    retention = await asyncio.to_thread(lambda: client.retention(period="day", **on))
    assert [(cohort.size, cohort.returned) for cohort in retention.cohorts] == [(3, [3])]
    assert await waiting.retention(period="day", **on) == retention


async def test_sql_is_a_table(client: Client, waiting: AsyncClient) -> None:
    asked = "SELECT g AS n, g * 1.5 AS m FROM generate_series(1, 3) AS g"
    found = await asyncio.to_thread(client.sql, asked, limit=2)
    assert list(found) == [{"n": 1, "m": Decimal("1.5")}, {"n": 2, "m": Decimal("3.0")}]
    assert (found.columns, len(found), found.truncated) == (["n", "m"], 2, True)
    whole = await waiting.sql(asked)
    assert (len(whole), whole.truncated) == (3, False)
    assert whole.to_polars()["n"].sum() == whole.to_pandas()["n"].sum() == 6
    assert whole.to_arrow().column_names == ["n", "m"]


async def test_a_refusal_is_an_error_that_tells_all(client: Client, waiting: AsyncClient) -> None:
    for asking in (asyncio.to_thread(client.sql, "SELEKT"), waiting.sql("SELEKT")):
        with pytest.raises(ApiError, match="422: sql: syntax error") as refused:
            await asking
        assert refused.value.status == 422
        assert refused.value.errors[0]["field"] == "sql"


async def test_it_asks_with_its_key(locked: Settings, keep: Keep, make: Make) -> None:
    await keep(session(DAY, site_id="shop"), session(DAY + 1, site_id="blog"))
    key = await make("read", "shop")
    async with serving(locked) as api:
        async with AsyncClient(str(api.base_url), key) as shop:
            assert [one.site_id async for one in shop.sessions()] == ["shop"]
        async with AsyncClient(str(api.base_url)) as nobody:
            with pytest.raises(ApiError, match="401"):
                await anext(aiter(nobody.sessions()))


def events(count: int) -> list[dict[str, Any]]:
    made = {"user_id": 64, "device_id": "computer", "client_event": "cart", "client_timestamp": "2021-02-26"}
    return [{**made, "event_id": f"e{number}"} for number in range(count)]


async def test_events_are_sent_in_portions_and_the_bad_ones_named(
    client: Client, waiting: AsyncClient, redis: Redis, keys: Keys, settings: Settings
) -> None:
    await fix_layout(redis, keys=keys, partitions=settings.partitions)
    mixed = [*events(700), {"user_id": 1}, *events(300)]
    for answer in (await asyncio.to_thread(client.send, mixed), await waiting.send(iter(mixed))):
        assert answer.accepted == 1_000
        assert [(one.index, one.code) for one in answer.rejected] == [(700, "invalid_field")]
    none = await waiting.send([{"user_id": 1}])
    assert (none.accepted, len(none.rejected)) == (0, 1)


async def test_events_whose_answer_is_lost_are_sent_again_under_the_same_ids(
    settings: Settings, redis: Redis, keys: Keys
) -> None:
    await fix_layout(redis, keys=keys, partitions=settings.partitions)
    failing = Failing("/v1/events", after=0, times=2)
    some = [{name: value for name, value in event.items() if name != "event_id"} for event in events(2)]
    async with serving(settings, failing) as api:
        with Client(str(api.base_url)) as client:
            assert (await asyncio.to_thread(client.send, some)).accepted == 2
        async with AsyncClient(str(api.base_url)) as waiting:
            assert (await waiting.send(some)).accepted == 2
    assert len(failing.asked) == 4


async def test_live_numbers_go_on_from_the_last_one_after_a_break(settings: Settings) -> None:
    failing = Failing("/v1/live/metrics", after=2, times=2)

    def three(client: Client) -> list[LiveTick]:
        with closing(client.live_metrics()) as ticks:
            return [next(ticks) for _ in range(3)]

    async with serving(settings, failing) as api:
        with Client(str(api.base_url)) as client:
            found = await asyncio.to_thread(three, client)
        assert [tick.clicks for tick in found] == [0, 0, 0]
        async with AsyncClient(str(api.base_url)) as waiting, aclosing(waiting.live_metrics()) as ticks:
            later = [await anext(ticks) for _ in range(3)]
        assert later[0].at > found[-1].at
    assert len(failing.asked) >= 3
    assert any(headers.get("last-event-id") for headers in failing.asked)


async def test_live_numbers_that_there_are_not_are_an_error(client: Client, waiting: AsyncClient) -> None:
    with pytest.raises(ApiError, match="window"):
        await asyncio.to_thread(next, client.live_metrics(window="hours"))
    with pytest.raises(ApiError, match="window"):
        await anext(waiting.live_metrics(window="hours"))


async def test_clicks_and_sessions_are_followed_as_they_come(
    client: Client, waiting: AsyncClient, redis: Redis, keys: Keys, settings: Settings
) -> None:
    await fix_layout(redis, keys=keys, partitions=settings.partitions)
    async with aclosing(waiting.live_clicks(user_id="64")) as later:
        told = client.live_clicks(user_id="64")
        first, second = asyncio.create_task(asyncio.to_thread(next, told)), asyncio.create_task(anext(later))
        while not (first.done() and second.done()):  # only what comes after they have begun is theirs
            await waiting.send([{**events(1)[0], "event_id": None}])
            await asyncio.wait([first, second], timeout=0.5)
    for found in (await first, await second):
        assert {click.client_event for click in found.clicks} == {"cart"}
        assert found.missed is None


async def test_a_gap_is_told_with_what_comes_after_it() -> None:
    hearing = live.Hearing(live.clicks)
    gap = '{"from":"2026-11-25T20:11:20Z","to":"2026-11-25T20:12:20Z","reason":"kept no more"}'
    assert hearing.heard(ServerSentEvent("gap", gap)) is None
    assert hearing.heard(ServerSentEvent("dropped", '{"reason":"slow"}')) is None
    after = hearing.heard(ServerSentEvent("clicks", "[]"))
    assert after
    assert after.missed
    assert (after.missed.reason, after.missed.to) == ("kept no more", datetime(2026, 11, 25, 20, 12, 20, tzinfo=UTC))
    assert hearing.heard(ServerSentEvent("clicks", "[]")) == live.LiveClicks(clicks=[])
