"""Readers as consumer groups: what Redis itself says of their lag."""

import pytest
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.streams import (
    START,
    Reader,
    as_bytes,
    lost_cursor,
    readers_of,
    register_reader,
    remove_reader,
    show_cursor,
)


@pytest.fixture
def stream(keys: Keys) -> str:
    return keys.clicks(0)


async def add(redis: Redis, stream: str, count: int) -> list[str]:
    return [as_bytes(await redis.xadd(stream, {"b": "x"})).decode() for _ in range(count)]


async def only_reader(redis: Redis, stream: str) -> Reader:
    (reader,) = await readers_of(redis, stream)
    return reader


async def test_a_reader_is_registered_before_there_is_a_stream_and_misses_nothing(redis: Redis, stream: str) -> None:
    await register_reader(redis, stream, "persister")
    await add(redis, stream, 3)
    await register_reader(redis, stream, "persister")  # again, by the next process that starts
    assert await only_reader(redis, stream) == Reader("persister", START, 3)


async def test_the_lag_is_exact_in_the_middle_of_a_stream(redis: Redis, stream: str) -> None:
    ids = await add(redis, stream, 10)
    await show_cursor(redis, stream, "persister", ids[3], since=START, entries=4)
    assert await only_reader(redis, stream) == Reader("persister", ids[3], 6)
    await show_cursor(redis, stream, "persister", ids[5], since=ids[3], entries=2)
    assert await only_reader(redis, stream) == Reader("persister", ids[5], 4)


async def test_the_lag_is_exact_after_the_stream_was_trimmed(redis: Redis, stream: str) -> None:
    ids = await add(redis, stream, 300)
    await show_cursor(redis, stream, "persister", ids[150], since=START, entries=151)
    await redis.xtrim(stream, minid=ids[151], approximate=False)
    assert await only_reader(redis, stream) == Reader("persister", ids[150], 149)
    await show_cursor(redis, stream, "persister", ids[160], since=ids[150], entries=10)
    assert await only_reader(redis, stream) == Reader("persister", ids[160], 139)


async def test_a_reader_that_comes_after_a_trim_lags_by_what_is_there(redis: Redis, stream: str) -> None:
    ids = await add(redis, stream, 10)
    await redis.xtrim(stream, minid=ids[6], approximate=False)
    await register_reader(redis, stream, "late")
    assert await only_reader(redis, stream) == Reader("late", START, 4)
    await show_cursor(redis, stream, "late", ids[7], since=START, entries=2)
    assert await only_reader(redis, stream) == Reader("late", ids[7], 2)


async def test_a_cursor_shown_twice_counts_once(redis: Redis, stream: str) -> None:
    ids = await add(redis, stream, 10)
    for _ in range(2):
        await show_cursor(redis, stream, "persister", ids[3], since=START, entries=4)
    assert await only_reader(redis, stream) == Reader("persister", ids[3], 6)


async def test_a_cursor_that_was_never_shown_is_made_up_for_by_the_next(redis: Redis, stream: str) -> None:
    ids = await add(redis, stream, 10)
    await show_cursor(redis, stream, "persister", ids[1], since=START, entries=2)
    await show_cursor(redis, stream, "persister", ids[7], since=ids[4], entries=3)
    assert await only_reader(redis, stream) == Reader("persister", ids[7], 2)


async def test_a_cursor_is_not_shown_if_a_redis_started_anew_has_lost_what_was_read(redis: Redis, stream: str) -> None:
    ids = await add(redis, stream, 10)
    await show_cursor(redis, stream, "persister", ids[1], since=START, entries=2)
    _, server = await lost_cursor(redis, stream, "persister", ids[1])
    await redis.xdel(stream, ids[2])
    for read_from, shown in ((server, ids[3]), ("another", ids[1])):
        await show_cursor(redis, stream, "persister", ids[1], since=ids[1], entries=0)
        moved = await show_cursor(redis, stream, "persister", ids[3], since=ids[1], entries=2, read_from=read_from)
        assert moved == (shown == ids[3])
        assert (await only_reader(redis, stream)).cursor == shown
    assert await show_cursor(redis, stream, "persister", ids[3], since=ids[1], entries=1, read_from="another")


@pytest.mark.parametrize("place", [0, 2])
async def test_a_cursor_can_go_back(redis: Redis, stream: str, place: int) -> None:
    ids = await add(redis, stream, 10)
    await show_cursor(redis, stream, "persister", ids[8], since=START, entries=9)
    back = [START, *ids][place]
    await show_cursor(redis, stream, "persister", back, since=back, entries=0)
    assert await only_reader(redis, stream) == Reader("persister", back, 10 - place)


async def test_a_group_that_somebody_set_by_hand_is_put_right(redis: Redis, stream: str) -> None:
    ids = await add(redis, stream, 10)
    await redis.xgroup_create(stream, "persister", ids[2])
    assert (await only_reader(redis, stream)).lag is None
    await show_cursor(redis, stream, "persister", ids[5], since=ids[4], entries=1)
    assert await only_reader(redis, stream) == Reader("persister", ids[5], 4)


async def test_a_removed_reader_is_waited_for_no_more(redis: Redis, stream: str) -> None:
    await register_reader(redis, stream, "persister")
    assert await remove_reader(redis, stream, "persister")
    assert not await remove_reader(redis, stream, "persister")
    assert await readers_of(redis, stream) == []
