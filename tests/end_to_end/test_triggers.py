"""Triggers as a process, over what real sessionizers make: each fires once, also after kill -9, and all is told."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.click import Click
from clickloom.errors import InvalidSetting
from clickloom.keys import Keys
from clickloom.layout import TRIGGERS
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.status.reading import read_status
from clickloom.times import now_us
from clickloom.triggers.history import dry_run
from clickloom.triggers.table import keep_trigger
from clickloom.triggers.trigger import Trigger
from tests.clicks import click
from tests.conftest import Select
from tests.processes import Start, until
from tests.services.triggers.receiver import Receiver, receiving
from tests.triggers.making import trigger

ALLOWED = {"WEBHOOK_PRIVATE": "on", "WEBHOOK_RETRIES": "0.1s, 0.1s", "BUFFER_SECONDS": "0.05"}
CART = {"event": "cart", "without": "checkout", "within": "10m"}
LAST_US = 10**15
ROUNDS, USERS, HOUR = 4, 30, 3_600


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, **ALLOWED}


@pytest.fixture
def publisher(redis: Redis, keys: Keys, settings: Settings) -> Publisher:
    return Publisher(redis, keys=keys, partitions=settings.partitions)


async def settled(redis: Redis, settings: Settings) -> None:
    async def no_lag() -> bool:
        rows = (await read_status(redis, settings)).readers
        return all(row.lag == 0 for row in rows) and TRIGGERS in {row.reader for row in rows}

    await until(no_lag, what="all to be read and written")


async def would_have_fired(engine: AsyncEngine, one: Trigger) -> int:
    span = (datetime(1970, 1, 1, tzinfo=UTC), datetime.now(UTC))
    return (await dry_run(engine, one.window, one.sites, one.conditions, *span)).fired


async def delivered(select: Select) -> bool:
    return select("SELECT count(*) FROM trigger_firings WHERE state <> 'delivered'") == [(0,)]


async def test_a_cart_that_is_left_is_told_once_and_while_the_session_is_still_open(
    start: Start, publisher: Publisher, receiver: Receiver, engine: AsyncEngine, redis: Redis, settings: Settings,
    select: Select,
) -> None:  # fmt: skip
    left, bought = [click(60, user="left", event="cart")], [click(60, user="bought", event="cart")]
    one = trigger(on="open", url=receiver.url, **CART)
    await keep_trigger(engine, one)
    for service in ("sessionizer", "persister"):
        start(service)
    triggers = start("triggers")
    await publisher.publish([*left, *bought, click(300, user="bought", event="checkout")], arrival_us=now_us())
    await publisher.end_input(watermark_us=661 * 10**6, arrival_us=now_us())

    async def told() -> bool:
        return bool(receiver.requests)

    await until(told, what="the webhook")
    [request] = receiver.requests
    assert request.verified(one.secret)
    assert request.told["type"] == "session.open"
    assert request.told["data"]["session"]["user_id"] == "left"
    assert select("SELECT count(*) FROM sessions WHERE \"window\" = 'visits'") == [(0,)]

    triggers.kill()
    start("triggers")
    await publisher.publish([click(55, user="left", event="nav")], arrival_us=now_us())  # its uid is another now
    await publisher.end_input(watermark_us=LAST_US, arrival_us=now_us())
    await settled(redis, settings)
    select("UPDATE trigger_firings SET due_at = now() RETURNING 1")  # as if the time of an attempt under way were over
    await until(lambda: delivered(select), what="it to be delivered")
    assert select("SELECT user_id, state FROM trigger_firings") == [("left", "delivered")]
    assert {found.webhook_id for found in receiver.requests} == {request.webhook_id}
    assert await would_have_fired(engine, one) == 1


async def test_a_session_that_closes_before_anybody_looked_is_told_when_it_has_closed(
    start: Start, publisher: Publisher, receiver: Receiver, engine: AsyncEngine
) -> None:
    await keep_trigger(engine, trigger(on="open", url=receiver.url, **CART))
    start("sessionizer")
    await publisher.publish([click(0, event="cart")], arrival_us=now_us())
    await publisher.end_input(watermark_us=LAST_US, arrival_us=now_us())
    start("triggers")

    async def told() -> bool:
        return bool(receiver.requests)

    await until(told, what="the webhook")
    assert receiver.requests[0].told["type"] == "session.closed"


async def test_killed_again_and_again_it_fires_once_a_session_and_as_often_as_a_dry_run_says(
    start: Start, publisher: Publisher, receiver: Receiver, engine: AsyncEngine, redis: Redis, settings: Settings,
    select: Select,
) -> None:  # fmt: skip
    """Killed as soon as something has fired, in the middle of deliveries: these are made again, with the same id."""
    receiver.answer = lambda number: 500 if number % 7 == 0 else 0 if number % 11 == 0 else 204
    one = trigger(url=receiver.url, event="a", min_events=2)
    await keep_trigger(engine, one)
    for service in ("sessionizer", "persister"):
        start(service)
    for number in range(ROUNDS):
        triggers = start("triggers", WEBHOOK_RETRIES=", ".join(["0.1s"] * 20))
        await publisher.publish(visits(number), arrival_us=now_us())
        await publisher.end_input(watermark_us=(number + 1) * 3 * HOUR * 10**6 - 1, arrival_us=now_us())
        await until(partial(_fired, select, number * USERS + 1), what="something more to fire")
        triggers.kill()
    receiver.answer = lambda _: 204
    start("triggers")
    await settled(redis, settings)
    select("UPDATE trigger_firings SET due_at = now() RETURNING 1")  # as if the time of attempts under way were over
    await until(lambda: delivered(select), what="all to be delivered")
    expected = ROUNDS * USERS
    assert await would_have_fired(engine, one) == expected
    assert select("SELECT count(*), count(DISTINCT session_uid) FROM trigger_firings") == [(expected, expected)]
    sessions = {request.webhook_id: request.told["data"]["session"]["session_uid"] for request in receiver.requests}
    assert (len(sessions), len(set(sessions.values()))) == (expected, expected), "one id a session, and none left out"


def visits(number: int) -> list[Click]:
    """Of so many users a session in which `a` happens, and of as many one in which it does not."""
    begin = number * 3 * HOUR + 60
    names = {f"{event}{user}": event for event in ("a", "b") for user in range(USERS)}
    return [click(begin + again, user=user, event=event) for user, event in names.items() for again in range(2)]


async def test_who_is_erased_is_not_told_and_nothing_is_kept_of_what_was(
    start: Start, publisher: Publisher, receiver: Receiver, engine: AsyncEngine, redis: Redis, settings: Settings,
    select: Select, environment: dict[str, str],
) -> None:  # fmt: skip
    await keep_trigger(engine, trigger(url=receiver.url))
    for service in ("sessionizer", "persister", "triggers"):
        await start(service).logged("service.started")
    await publisher.publish([click(0, user=user) for user in ("gone", "stays")], arrival_us=now_us())
    await publisher.publish([click(7_200, user=user) for user in ("gone", "stays")], arrival_us=now_us())
    await until(lambda: _fired(select, 2), what="both first sessions")
    command = [sys.executable, "-m", "services.cli", "erase", "--user", "gone"]
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert select("SELECT user_id FROM trigger_firings") == [("stays",)]
    await until(lambda: delivered(select), what="all to be delivered")
    told = Counter(request.told["data"]["session"]["user_id"] for request in receiver.requests)
    assert told["gone"] <= 1, "the session that closed by being erased was not told"


async def _fired(select: Select, count: int) -> bool:
    return select("SELECT count(*) >= %s FROM trigger_firings", count) == [(True,)]


async def test_the_triggers_are_said_to_be_away_and_can_be_removed(
    start: Start, redis: Redis, settings: Settings, environment: dict[str, str]
) -> None:
    triggers = start("triggers")

    async def runs() -> bool:
        try:
            return (await read_status(redis, settings)).triggers_run is True
        except InvalidSetting:  # nothing is laid out yet
            return False

    await until(runs, what="the triggers to run")
    triggers.stop()

    async def missed() -> bool:
        return any("the triggers do not run" in one for one in (await read_status(redis, settings)).troubles)

    await until(missed, what="status to say that they are away")
    command = [sys.executable, "-m", "services.cli", "readers", "remove", "triggers"]
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    status = await read_status(redis, settings)
    assert "triggers" not in {row.reader for row in status.readers}
    assert not any("triggers" in one for one in status.troubles)
