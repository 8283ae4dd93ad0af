"""`GET /v1/live/metrics`: a second so far, four times a second, with what the commits said."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import numpy as np
from httpx import AsyncClient, Response
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.numbers import ActiveUsers, MinuteChange
from clickloom.settings import Settings
from clickloom.sketch import Sketch
from clickloom.times import SECOND_US, now_us, parse_time
from clickloom.wire import FIELD, encode
from tests.live import events
from tests.processes import until
from tests.services.api.conftest import serving
from tests.services.api.ingest.test_native import problem
from tests.services.api.live.conftest import Commit, first, ticks

PATH = "/v1/live/metrics"


async def test_a_whole_second_is_told_once_a_second_even_if_nothing_happens(api: AsyncClient) -> None:
    found = []
    async for tick in ticks(api):
        found.append(tick)
        if len(found) == 3:
            break
    seconds = [parse_time(tick["second"]) // SECOND_US for tick in found]
    assert seconds == list(range(seconds[0], seconds[0] + 3))
    assert all(tick["complete"] for tick in found)


async def test_the_seconds_add_up_to_what_the_commits_said_and_parts_only_grow(
    api: AsyncClient, redis: Redis, keys: Keys, commit: Commit
) -> None:
    change = MinuteChange(sessions=2, events=9, duration_sec=70, conversions=1, orders=1, revenue=Decimal("19.99"))
    closed = {"closed_sessions": 2, "durations": {10: 1, 60: 1}, "session_events": {4: 1, 5: 1}, "changes": {7: change}}

    async def commits() -> None:
        await commit(0, shop={"clicks": 10, "open_sessions": 3, "events": {"a": 10}, **closed})
        await commit(1, shop={"clicks": 6, "open_sessions": 4, "late": 1}, blog={"clicks": 4, "duplicates": 2})
        await commit(0, window="minutes", shop={"clicks": 50, "open_sessions": 50})
        await redis.xadd(keys.metrics(0), {FIELD: b"rubbish"})
        await asyncio.sleep(0.6)  # into another part, or another second
        earned = {"conversions": 2, "revenue": Decimal("5.5"), "durations": {5: 1}, "session_events": {5: 1}}
        more = {7: MinuteChange(sessions=-1, events=-4, duration_sec=-10)}
        await commit(0, watermark=0, shop={"clicks": 10, "open_sessions": 1, "changes": more, **earned})

    seconds: dict[str, dict[str, Any]] = {}
    sending: asyncio.Task[None] | None = None
    async for tick in ticks(api):
        sending = sending or asyncio.create_task(commits())
        before = seconds.get(tick["second"], tick)
        assert tick["clicks"] >= before["clicks"]
        seconds[tick["second"]] = tick
        if tick["complete"] and sum(found["clicks"] for found in seconds.values()) >= 30:
            break
    found = list(seconds.values())

    def total(*names: str) -> Any:
        return sum(_at(tick, names) for tick in found)

    assert (total("clicks"), total("late"), total("duplicates"), total("closed_sessions")) == (30, 1, 2, 2)
    assert (total("session_duration", "count"), total("session_duration", "sum")) == (3, 75)
    assert (total("session_events", "count"), total("session_events", "sum")) == (3, 14)
    assert sum(tick["events"].get("a", 0) for tick in found) == 10
    changes = [row for tick in found for row in tick["changes"]]
    assert {row["minute"] for row in changes} == {"1970-01-01T00:07:00Z"}
    assert sum(row["sessions"] for row in changes) == 1
    assert sum(row["events"] for row in changes) == 5
    assert sum(Decimal(row["revenue"]) for row in changes) == Decimal("19.99")
    assert (total("conversions"), sum(Decimal(tick["revenue"]) for tick in found)) == (2, Decimal("5.5"))
    assert found[-1]["open_sessions"] == 1 + 4, "of the last commit of each partition"
    assert found[-1]["watermark"] == "1970-01-01T00:00:00Z", "the least of all partitions"


def _at(value: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        value = value[name]
    return value


async def test_quantiles_of_the_minute_are_of_all_its_sessions(api: AsyncClient, commit: Commit) -> None:
    told: list[dict[str, Any]] = []
    sent = 0
    async for tick in ticks(api, whole=True):
        told.append(tick)
        minute = tick["this_minute"]
        seconds = [one for one in told if one["second"][:16] == minute["minute"][:16]]
        assert minute["session_duration"]["count"] >= sum(one["session_duration"]["count"] for one in seconds)
        if minute["session_duration"]["count"] >= 3:
            break
        sent += 1
        await commit(0, shop={"durations": {sent * 10: 1}, "session_events": {sent: 2}})
    durations = tick["this_minute"]["session_duration"]
    assert durations["max"] - durations["p50"] == 10 * (durations["count"] // 2)
    assert tick["this_minute"]["session_events"]["count"] == 2 * durations["count"]


async def test_a_browser_goes_on_from_a_position_in_the_address(api: AsyncClient) -> None:
    [told] = await first(api, PATH, lambda _: True)
    async with api.stream("GET", PATH, params={"whole": "true", "after": str((told.id or 0) - 5_000)}) as answer:
        [line] = [line async for line in _until_an_id(answer)]
    assert line == f"id: {(told.id or 0) - 4_000}"


async def _until_an_id(answer: Response) -> AsyncIterator[str]:
    async for line in answer.aiter_lines():
        if line.startswith("id: "):
            yield line
            return


async def test_a_site_is_told_of_alone(api: AsyncClient, commit: Commit) -> None:
    listening = asyncio.create_task(first(api, PATH, lambda event: event.data["clicks"], site_id="blog"))
    others = asyncio.create_task(first(api, PATH, lambda event: event.data["clicks"] and event.data["complete"]))

    async def told() -> bool:
        await commit(0, shop={"clicks": 5, "open_sessions": 2}, blog={"clicks": 1, "open_sessions": 1})
        return listening.done() and others.done()

    await until(told)
    tick = (await listening)[-1].data
    assert tick["open_sessions"] == 1
    tick = (await others)[-1].data
    assert (tick["clicks"] % 6, tick["open_sessions"]) == (0, 3)


async def test_only_whole_seconds_are_told_to_who_wants_no_parts(api: AsyncClient, commit: Commit) -> None:
    heard = asyncio.Event()

    async def keep_committing() -> None:
        while not heard.is_set():
            await commit(0, shop={"clicks": 1})
            await asyncio.sleep(0.05)

    committing = asyncio.create_task(keep_committing())
    both = await asyncio.gather(
        first(api, PATH, lambda event: event.data["complete"] and event.data["clicks"], whole=True),
        first(api, PATH, lambda event: not event.data["complete"]),
    )
    heard.set()  # cancelled, it might go on: redis-py can lose that (Python 3.11)
    await committing
    assert all(event.data["complete"] for event in both[0])


async def test_a_new_process_knows_at_once_what_is_open_and_who_was_there(
    settings: Settings, redis: Redis, keys: Keys, commit: Commit
) -> None:
    await commit(0, shop={"clicks": 1_000, "open_sessions": 7})
    minute = now_us() // (60 * SECOND_US)
    for partition, number in ((0, minute - 20), (1, minute), (2, minute)):
        changed = Sketch().add(np.array([2**40, (partition + 1) << 56], np.uint64))
        entry = ActiveUsers(version=1, sketches=[(number, "shop", changed)])
        await redis.xadd(keys.active(partition), {FIELD: encode(entry)})

    async with serving(settings) as api:
        [tick, *_] = [event.data for event in await first(api, PATH, lambda _: True)]
        assert tick["open_sessions"] == 7
        assert (tick["active_users_5m"], tick["active_users_30m"]) == (3, 4)
        [tick] = [event.data for event in await first(api, PATH, lambda _: True, site_id="blog")]
        assert (tick["open_sessions"], tick["active_users_30m"]) == (0, 0)


async def test_a_subscriber_that_hangs_up_is_forgotten(api: AsyncClient) -> None:
    def subscribers() -> float:
        return REGISTRY.get_sample_value("clickloom_live_subscribers") or 0

    before = subscribers()
    async with api.stream("GET", PATH) as answer:
        await anext(answer.aiter_lines())
        assert subscribers() == before + 1

    async def forgotten() -> bool:
        return subscribers() == before

    await until(forgotten)


async def test_what_cannot_be_asked_is_refused(api: AsyncClient) -> None:
    assert "one of visits, minutes" in problem(await api.get(f"{PATH}?window=hours"), 422)["detail"]
    for path in (PATH, "/v1/live/sessions", "/v1/live/clicks"):
        assert "colour" in problem(await api.get(f"{path}?colour=red"), 422)["detail"]
        for id_ in ("abc", "-1", str(2**60)):
            refused = problem(await api.get(path, headers={"last-event-id": id_}), 422)
            assert "Last-Event-ID" in refused["detail"]


async def collected(follow: AsyncIterator[Any], count: int) -> list[Any]:
    return [await anext(follow) for _ in range(count)]


async def test_events_are_numbered_by_stream_time(api: AsyncClient) -> None:
    found = await first(api, PATH, lambda _: True)
    assert found[0].id == parse_time(found[0].data["at"]) // 1_000
    async for event in events(api, PATH, after=found[0].id):
        if event.name:
            assert event.id == (found[0].id or 0) + 1_000
            break
