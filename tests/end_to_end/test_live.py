"""Live streams of real services, while one of them is killed: nothing is lost, nothing comes twice, history agrees."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import AsyncExitStack
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis

from clickloom.click import Click
from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.times import MINUTE_US, from_datetime, now_us, parse_time
from tests.clicks import click
from tests.conftest import Select
from tests.end_to_end.api import asking
from tests.live import Listener
from tests.processes import Start, until

WINDOWS = "visits = session(gap=1m, max_duration=6m); minutes = stagger(range=1s)"
SITES = ("shop", "blog")
CLICKS = 3_000
LASTS_S = 1_800  # of event time
FIELDS = ("sessions", "events", "duration_sec", "bounces", "conversions", "orders")
BEGIN_S = 1_600_000_020  # a whole minute

HISTORY = """
    SELECT site_id, date_trunc('minute', begin_session), count(*), sum(events), sum(duration_sec),
           count(*) FILTER (WHERE bounced), count(*) FILTER (WHERE converted), sum(orders), sum(revenue)
    FROM sessions WHERE "window" = %s GROUP BY 1, 2
"""
ARRIVED = "SELECT site_id, entry_ms / 60000, count(*) FROM clicks GROUP BY 1, 2"


def traffic(seed: int = 3) -> list[Click]:
    """Visitors of two sites; the order of arrival is so far off that sessions are revised, and some clicks late."""
    chance = Random(seed)
    made = []
    for number in range(CLICKS):
        event = chance.choice(["page", "cart", "order_completed"])
        order = {"order_id": f"o{number}", "revenue": Decimal(chance.randrange(10_000)) / 100}
        made.append(
            click(
                BEGIN_S + LASTS_S * number / CLICKS,
                user=str(chance.randrange(60)),
                event=event,
                site_id=chance.choice(SITES),
                device_id=chance.choice(["mobile", "computer", "a-cookie"]),
                **(order if event == "order_completed" else {}),
            )
        )
    made += chance.sample(made, 50)  # seen before
    arrival = {id(one): one.time_us / 1e6 + chance.choice([0, 0, 0, 60, 200, 700]) * chance.random() for one in made}
    return sorted(made, key=lambda one: arrival[id(one)])


def changes(seconds: Iterable[dict[str, Any]]) -> dict[int, list[Any]]:
    """The sums of live changes by minute of begin; minutes of which nothing is left are none."""
    sums: defaultdict[int, list[Any]] = defaultdict(lambda: [0] * len(FIELDS) + [Decimal(0)])
    for second in seconds:
        for change in second["changes"]:
            told = [*(change[name] for name in FIELDS), Decimal(change["revenue"])]
            at = parse_time(change["minute"]) // MINUTE_US
            sums[at] = [a + b for a, b in zip(sums[at], told, strict=True)]
    return {minute: found for minute, found in sums.items() if any(found)}


def arrived(seconds: Iterable[dict[str, Any]]) -> Counter[int]:
    sums = Counter[int]()
    for second in seconds:
        for told in second["arrived"]:
            sums[parse_time(told["minute"]) // MINUTE_US] += told["clicks"]
    return sums


def whole(listener: Listener) -> list[dict[str, Any]]:
    """The complete seconds, each once; the parts of a second only grow."""
    ticks = listener.named("metrics")
    complete = [tick for tick in ticks if tick["complete"]]
    assert max(Counter(tick["second"] for tick in complete).values(), default=1) == 1
    return complete


@pytest.fixture
def history(select: Select) -> Any:
    def history(window: str, site: str) -> dict[int, list[Any]]:
        return {
            from_datetime(minute) // MINUTE_US: list(told)
            for site_id, minute, *told in select(HISTORY, window)
            if site_id == site
        }

    return history


async def test_live_streams_lose_and_repeat_nothing_over_a_killed_process_and_agree_with_history(
    start: Start, redis: Redis, keys: Keys, settings: Settings, select: Select, history: Any
) -> None:
    settings_of_all = {"WINDOWS": WINDOWS, "ALLOWED_LATENESS": "2m"}
    start("sessionizer", **settings_of_all)
    start("persister", **settings_of_all)
    apis = [start("api", PORT="0", **settings_of_all) for _ in range(2)]
    numbers = {
        (window, site): Listener("/v1/live/metrics", window=window, site_id=site)
        for window in ("visits", "minutes")
        for site in SITES
    }
    clicks, sessions = Listener("/v1/live/clicks"), Listener("/v1/live/sessions")
    listeners = [*numbers.values(), clicks, sessions]
    async with AsyncExitStack() as stack:
        urls = [str((await stack.enter_async_context(asking(api))).base_url) for api in apis]
        listening = [asyncio.create_task(listener.listen(urls)) for listener in listeners]
        await until(lambda: _all_begun(listeners))
        made = traffic()
        publisher = Publisher(redis, keys=keys, partitions=settings.partitions)
        for first in range(0, len(made), 60):
            await publisher.publish(made[first : first + 60], arrival_us=now_us())
            await asyncio.sleep(0.1)
            if first == 1_200:
                apis[0].kill()
        end_us = (BEGIN_S + 3 * LASTS_S) * 1_000_000
        await publisher.end_input(watermark_us=end_us, arrival_us=now_us())

        async def all_told() -> bool:
            received = sum(map(len, clicks.named("clicks")))
            return received >= len(made) and all(
                changes(whole(listener)) == history(window, site) for (window, site), listener in numbers.items()
            )

        try:
            await until(all_told, what="live numbers that agree with history")
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
    for (window, site), listener in numbers.items():
        assert changes(whole(listener)) == history(window, site)
        found = {minute: count for at, minute, count in select(ARRIVED) if at == site}
        assert arrived(whole(listener)) == found
        assert not listener.named("gap")
    told = Counter(one["event_id"] for event in clicks.named("clicks") for one in event)
    assert told == Counter(one.event_id for one in made)
    assert sum(tick["late"] for tick in whole(numbers["visits", "shop"])) > 0
    assert sum(tick["revised_sessions"] for tick in whole(numbers["visits", "shop"])) > 0
    assert standing(sessions) == {
        (str(uid), version)
        for uid, version in select("SELECT session_uid, version FROM sessions WHERE \"window\" = 'visits'")
    }


async def _all_begun(listeners: Iterable[Listener]) -> bool:
    return all(listener.begun for listener in listeners)


def standing(listener: Listener) -> set[tuple[str, int]]:
    """Sessions that were told and not taken back; each must stand when it is."""
    found: set[tuple[str, int]] = set()
    for event in listener.named("sessions"):
        for row in event["revoked"]:
            found.remove((row["session_uid"], row["version"]))
        for row in event["sessions"]:
            assert (row["session_uid"], row["version"]) not in found
            found.add((row["session_uid"], row["version"]))
    return found
