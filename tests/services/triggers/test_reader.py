"""Which sessions triggers fire for: each once, whatever is read again, and however it is revised."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from redis.asyncio import Redis

from clickloom.keys import Person
from clickloom.layout import TRIGGERS
from clickloom.streams import readers_of
from tests.changelog import Sessions
from tests.conftest import Select
from tests.services.triggers.conftest import Keep, NewReader, Tell, judge
from tests.sessions import changelog, session
from tests.triggers.making import trigger


def fired(select: Select) -> list[tuple[UUID, str]]:
    return [(uid, user) for uid, user in select("SELECT session_uid, user_id FROM trigger_firings ORDER BY user_id")]


async def test_a_trigger_fires_for_each_session_that_is_as_it_says_and_for_no_other(
    keep: Keep, tell: Tell, new_reader: NewReader, select: Select
) -> None:
    await keep(trigger(min_events=2), trigger(enabled=False), trigger(window="minutes"), trigger(sites=("blog",)))
    found = session(0, user="a", events=2)
    await tell(changelog(found, session(0, user="b")))
    await judge(new_reader())
    assert fired(select) == [(found.session_uid, "a")]


async def test_what_is_read_again_does_not_fire_again(
    keep: Keep, tell: Tell, new_reader: NewReader, select: Select, redis: Redis, stream: str
) -> None:
    await keep(trigger())
    await tell(changelog(session(0, user="a"), session(0, user="b")))
    await judge(new_reader())
    before = fired(select)
    select("UPDATE trigger_cursors SET cursor = '0-0' RETURNING 1")
    await tell(changelog(session(5_000, user="c")))
    await judge(new_reader())
    assert fired(select)[:2] == before
    assert [user for _, user in fired(select)] == ["a", "b", "c"]
    assert [reader.lag for reader in await readers_of(redis, stream) if reader.name == TRIGGERS] == [0]


async def test_a_session_whose_begin_a_late_click_moves_does_not_fire_again(
    keep: Keep, tell: Tell, new_reader: NewReader, select: Select
) -> None:
    """Its uid is another then. Neither do two that become one; the visitor's next session does."""
    await keep(trigger())
    first, second = session(100, events=10), session(300, events=10)
    await tell(changelog(first, second))
    await judge(new_reader())
    longer = session(90, events=20, version=2)
    await tell(changelog(longer, minus=(first,)))
    await judge(new_reader())
    both = session(90, events=220, version=3)
    await tell(changelog(both, minus=(longer, second)))
    await tell(changelog(session(5_000)))
    await judge(new_reader())
    found = {uid for uid, _ in fired(select)}
    assert found == {first.session_uid, second.session_uid, session(5_000).session_uid}


async def test_a_revision_that_makes_a_session_what_a_trigger_waits_for_fires(
    keep: Keep, tell: Tell, new_reader: NewReader, select: Select
) -> None:
    await keep(trigger(min_events=2))
    await tell(changelog(session(0)))
    await tell(changelog(session(0, events=2, version=2), minus=(session(0),)))
    await judge(new_reader())
    assert len(fired(select)) == 1


async def test_a_trigger_does_not_fire_for_what_closed_before_it_was_there(
    keep: Keep, tell: Tell, new_reader: NewReader, select: Select
) -> None:
    await tell(changelog(session(0)))
    await keep(trigger(enabled_at=datetime.now(UTC) + timedelta(seconds=1)))
    await judge(new_reader())
    assert fired(select) == []


async def test_nobody_who_is_being_erased_fires(keep: Keep, tell: Tell, new_reader: NewReader, select: Select) -> None:
    await keep(trigger())
    told = changelog(session(0, user="gone"), session(0, user="stays"))
    told.erased = [Person(None, "gone")]
    await tell(told)
    await judge(new_reader())
    assert [user for _, user in fired(select)] == ["stays"]


async def test_several_processes_fire_once_and_leave_nothing_out(
    keep: Keep, tell: Tell, new_reader: NewReader, select: Select
) -> None:
    one, other = trigger(), trigger()
    await keep(one, other)
    sessions = Sessions()
    for number in range(30):
        found = [session(number * 10_000, user=f"u{user}") for user in range(5)]
        sessions.update((row.session_uid, row) for row in found)
        await tell(changelog(*found))
    readers = [new_reader() for _ in range(4)]

    async def run() -> None:
        while select("SELECT count(*) FROM trigger_firings") != [(2 * len(sessions),)]:
            await asyncio.gather(*(reader.step() for reader in readers))

    await asyncio.wait_for(run(), timeout=60)
    assert {uid for uid, _ in fired(select)} == set(sessions)


async def test_a_redis_that_lost_what_was_judged_is_read_anew_and_fires_nothing_twice(
    keep: Keep, tell: Tell, new_reader: NewReader, select: Select, redis: Redis, stream: str
) -> None:
    await keep(trigger())
    await tell(changelog(session(0, user="a")))
    reader = new_reader()
    await judge(reader)
    await redis.delete(stream)
    await redis.xadd(stream, {"b": "not one of ours"}, id="1-1")
    await tell(changelog(session(0, user="a"), session(0, user="b")))
    await judge(reader)
    assert [user for _, user in fired(select)] == ["a", "b"]


@pytest.mark.parametrize("name", ["x" * 128, "ünïcode ✓", 'quote"\\'])
async def test_names_of_every_kind_are_told_as_they_are(
    keep: Keep, tell: Tell, new_reader: NewReader, select: Select, name: str
) -> None:
    await keep(trigger(name=name))
    await tell(changelog(session(0, user=name)))
    await judge(new_reader())
    assert select("SELECT body::jsonb #>> '{data,rule,name}', user_id FROM trigger_firings") == [(name, name)]
