"""Webhooks to a real receiver: signed, again and again until they are there, and nobody's in the way of another's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.times import SECOND_US, now_us
from clickloom.triggers.firings import Firing, read_firings, retry_dead
from clickloom.triggers.table import find_trigger
from clickloom.triggers.trigger import Trigger
from services.triggers.attempts import forget_settled, take
from services.triggers.decisions import Fired
from services.triggers.delivery import Delivery
from services.triggers.firing_rows import write_firings
from services.triggers.sending import Sender
from tests.conftest import Select
from tests.processes import until
from tests.services.triggers.conftest import Keep, Pool
from tests.services.triggers.receiver import Receiver, receiving
from tests.sessions import session
from tests.triggers.making import trigger

WAITS = (0, 0)  # three attempts

Fire = Callable[..., Awaitable[None]]


@pytest.fixture
def fire(keep: Keep, pool: Pool) -> Fire:
    """Keeps the triggers and has each fire for so many sessions."""

    async def fire(*triggers: Trigger, sessions: int = 1) -> None:
        await keep(*triggers)
        fired = [Fired(one, session(number * 10_000), "closed", 0) for one in triggers for number in range(sessions)]
        async with pool.connection() as connection:
            assert await write_firings(connection, fired, now_us=now_us()) == len(fired)

    return fire


@pytest.fixture
async def delivery(pool: Pool) -> AsyncIterator[Delivery]:
    async for delivery in delivering(pool):
        yield delivery


async def delivering(pool: Pool, **more: Any) -> AsyncIterator[Delivery]:
    sender = Sender(**{"private": True, "waits": WAITS, "timeout_us": 20 * SECOND_US, **more})
    delivery = Delivery(pool, sender)
    yield delivery
    await delivery.close()
    await sender.close()


async def settled(delivery: Delivery, engine: AsyncEngine, one: Trigger) -> list[Firing]:
    """Deliver until nothing of the trigger is pending."""

    async def found() -> list[Firing]:
        await delivery.look()
        firings = await read_firings(engine, [one.trigger_id])
        return [] if any(firing.state == "pending" for firing in firings) else firings

    return await until(found, what="nothing to be pending")


async def test_a_receivers_own_library_finds_the_signature_right(
    delivery: Delivery, fire: Fire, receiver: Receiver, engine: AsyncEngine
) -> None:
    one = trigger(url=receiver.url, name="left")
    await fire(one)
    [firing] = await settled(delivery, engine, one)
    [request] = receiver.requests
    assert request.verified(one.secret)
    with pytest.raises(Exception, match="No matching signature"):
        request.verified(trigger().secret)
    assert (firing.state, firing.attempts, firing.answer) == ("delivered", 1, "204")
    assert request.webhook_id == f"msg_{firing.firing_id.hex}"
    assert request.headers["content-type"] == "application/json"
    assert request.told["type"] == "session.closed"
    assert request.told["data"]["rule"] == {"id": str(one.trigger_id), "name": "left"}
    assert request.told["data"]["session"]["session_uid"] == str(firing.session_uid)


async def test_what_fails_is_sent_again_with_the_same_id_and_body(
    delivery: Delivery, fire: Fire, receiver: Receiver, engine: AsyncEngine
) -> None:
    receiver.answer = lambda number: 204 if number == 3 else 500
    one = trigger(url=receiver.url)
    await fire(one)
    [firing] = await settled(delivery, engine, one)
    assert (firing.state, firing.attempts) == ("delivered", 3)
    assert len({(request.webhook_id, request.body) for request in receiver.requests}) == 1


async def test_what_never_succeeds_is_dead_and_can_be_sent_again(
    delivery: Delivery, fire: Fire, receiver: Receiver, engine: AsyncEngine
) -> None:
    receiver.answer = lambda _: 503
    one = trigger(url=receiver.url)
    await fire(one)
    [firing] = await settled(delivery, engine, one)
    assert (firing.state, firing.attempts, firing.answer) == ("dead", 3, "503")
    receiver.answer = lambda _: 200
    assert await retry_dead(engine, [one.trigger_id]) == 1
    [firing] = await settled(delivery, engine, one)
    assert (firing.state, firing.attempts) == ("delivered", 1)
    assert await retry_dead(engine, [one.trigger_id]) == 0


async def test_a_receiver_that_is_gone_for_good_disables_its_trigger(
    delivery: Delivery, fire: Fire, receiver: Receiver, engine: AsyncEngine
) -> None:
    receiver.answer = lambda _: 410
    one = trigger(url=receiver.url)
    await fire(one)
    [firing] = await settled(delivery, engine, one)
    assert (firing.state, firing.attempts) == ("dead", 1)
    found = await find_trigger(engine, one.trigger_id)
    assert found
    assert (found.enabled, found.trouble) == (False, "the receiver answered 410: it wants no more")


async def test_a_redirect_is_not_followed(
    delivery: Delivery, fire: Fire, receiver: Receiver, engine: AsyncEngine
) -> None:
    receiver.answer = lambda _: 302
    receiver.headers = f"location: {receiver.url}\r\n"
    one = trigger(url=receiver.url)
    await fire(one)
    [firing] = await settled(delivery, engine, one)
    assert (firing.state, firing.answer, len(receiver.requests)) == ("dead", "302", 3)


async def test_nobody_is_reached_who_may_not_be_though_the_trigger_says_so(
    pool: Pool, fire: Fire, receiver: Receiver, engine: AsyncEngine
) -> None:
    """As when its name led elsewhere when it was made, or the setting was another."""
    one = trigger(url=receiver.url)
    await fire(one)
    async for delivery in delivering(pool, private=False):
        [firing] = await settled(delivery, engine, one)
    assert firing.state == "dead"
    assert "WEBHOOK_PRIVATE=on" in (firing.answer or "")
    assert receiver.requests == []


async def test_a_receiver_that_hangs_keeps_nobody_else_waiting(
    delivery: Delivery, fire: Fire, receiver: Receiver, engine: AsyncEngine
) -> None:
    async with receiving() as hanging:
        hanging.answer = lambda _: 0
        slow, quick = trigger(url=hanging.url), trigger(url=receiver.url)
        await fire(slow, quick, sessions=20)
        firings = await asyncio.wait_for(settled(delivery, engine, quick), timeout=15)
        assert {firing.state for firing in firings} == {"delivered"}
        assert len(firings) == 20
        assert {firing.state for firing in await read_firings(engine, [slow.trigger_id])} == {"pending"}


async def test_no_answer_in_time_is_a_failure(pool: Pool, fire: Fire, receiver: Receiver, engine: AsyncEngine) -> None:
    receiver.answer = lambda _: 0
    one = trigger(url=receiver.url)
    await fire(one)
    async for delivery in delivering(pool, timeout_us=SECOND_US // 5, waits=()):
        [firing] = await settled(delivery, engine, one)
    assert (firing.state, firing.answer) == ("dead", "no answer within 0.2 s")


async def test_an_attempt_is_taken_by_one_process_and_comes_back_if_that_is_killed(
    pool: Pool, fire: Fire, select: Select
) -> None:
    one = trigger()
    await fire(one, sessions=3)
    taken = [await take(pool, one.trigger_id, at_most=2) for _ in range(3)]
    assert [len(some) for some in taken] == [2, 1, 0]
    select("UPDATE trigger_firings SET due_at = due_at - interval '90 seconds' RETURNING 1")
    again = await take(pool, one.trigger_id, at_most=10)
    assert [attempt.number for attempt in again] == [2, 2, 2]


async def test_while_a_trigger_is_disabled_nothing_of_it_is_sent(
    delivery: Delivery, fire: Fire, receiver: Receiver, pool: Pool
) -> None:
    one = trigger(url=receiver.url, enabled=False)
    await fire(one)
    await delivery.look()
    assert await take(pool, one.trigger_id, at_most=10) == []


async def test_what_is_settled_is_forgotten_after_its_time_and_what_is_pending_never(
    delivery: Delivery, fire: Fire, receiver: Receiver, engine: AsyncEngine, pool: Pool, select: Select
) -> None:
    done, pending = trigger(url=receiver.url), trigger(enabled=False)
    await fire(done, pending)
    await settled(delivery, engine, done)
    assert await forget_settled(pool, 30) == 0
    select("UPDATE trigger_firings SET settled_at = settled_at - interval '31 days' RETURNING 1")
    assert await forget_settled(pool, 30) == 1
    assert select("SELECT state FROM trigger_firings") == [("pending",)]
