"""Trimming: what a registered reader has not read stays, whatever happens to the reader."""

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.layout import PERSISTER, add_reader, forget_reader, lay_out
from clickloom.memory import parse_amount
from clickloom.pressure import Pressure
from clickloom.settings import Settings
from clickloom.streams import (
    START,
    Reader,
    as_bytes,
    next_id,
    read_stream,
    show_cursor,
    split_id,
    trim_to,
    trimmed_to,
)
from clickloom.times import DAY_US, MINUTE_US
from clickloom.windows.spec import parse_windows
from services.sessionizer.trimming import Trimmer, least_kept
from tests.processes import until

WINDOWS = parse_windows("visits = session(gap=30m)")


@pytest.fixture
async def laid_out(settings: Settings, keys: Keys) -> None:
    await lay_out(settings.redis_url, keys=keys, partitions=1, windows=WINDOWS)


async def add(redis: Redis, stream: str, count: int) -> list[str]:
    return [as_bytes(await redis.xadd(stream, {"b": "x"})).decode() for _ in range(count)]


async def read(redis: Redis, stream: str, reader: str, entry: str) -> None:
    await show_cursor(redis, stream, reader, entry, since=START, entries=0)


def trimmer(redis: Redis, keys: Keys, *, retention_us: int = 0, live_us: int = 0, mark: str = "80%") -> Trimmer:
    pressure = Pressure(redis, parse_amount(mark))
    return Trimmer(redis, keys=keys, pressure=pressure, retention_us=retention_us, live_us=live_us)


@pytest.mark.usefixtures("laid_out")
async def test_a_stream_is_trimmed_up_to_the_reader_that_is_least_far(redis: Redis, keys: Keys) -> None:
    stream = keys.clicks(0)
    ids = await add(redis, stream, 2_500)
    await read(redis, stream, "visits", ids[2_000])
    await trimmer(redis, keys).trim([0])
    assert await redis.xlen(stream) == 2_500  # a persister that has never run has read nothing
    await read(redis, stream, PERSISTER, ids[1_700])
    await trimmer(redis, keys).trim([0])
    assert await redis.xlen(stream) == 2_500 - 1_701
    assert (await read_stream(redis, stream, START, count=1, block_ms=None))[0][0].decode() == ids[1_701]


@pytest.mark.usefixtures("laid_out")
async def test_what_everybody_has_read_goes_to_the_last_entry(redis: Redis, keys: Keys) -> None:
    for stream in (keys.clicks(0), keys.sessions("visits", 0), keys.rejected()):
        ids = await add(redis, stream, 3)
        for reader in ("visits", PERSISTER):
            if reader == PERSISTER or stream == keys.clicks(0):
                await read(redis, stream, reader, ids[-1])
        await trimmer(redis, keys).trim([0])
        assert await redis.xlen(stream) == 0


@pytest.mark.usefixtures("laid_out")
async def test_a_group_that_was_destroyed_by_hand_holds_trimming_up(redis: Redis, keys: Keys) -> None:
    stream = keys.clicks(0)
    ids = await add(redis, stream, 3)
    await read(redis, stream, "visits", ids[-1])
    await redis.xgroup_destroy(stream, PERSISTER)
    await trimmer(redis, keys).trim([0])
    assert await redis.xlen(stream) == 3


@pytest.mark.usefixtures("laid_out")
async def test_a_reader_that_is_gone_holds_trimming_up_until_it_is_removed(redis: Redis, keys: Keys) -> None:
    stream = keys.clicks(0)
    ids = await add(redis, stream, 3)
    await redis.xgroup_create(stream, "theirs", "0")
    for reader in ("visits", PERSISTER):
        await read(redis, stream, reader, ids[-1])
    await trimmer(redis, keys).trim([0])
    assert await redis.xlen(stream) == 3
    await forget_reader(redis, keys, "theirs")
    await trimmer(redis, keys).trim([0])
    assert await redis.xlen(stream) == 0


@pytest.mark.usefixtures("laid_out")
async def test_the_retention_keeps_what_everybody_has_read(redis: Redis, keys: Keys) -> None:
    stream = keys.clicks(0)
    ids = await add(redis, stream, 3)
    for reader in ("visits", PERSISTER):
        await read(redis, stream, reader, ids[-1])
    await trimmer(redis, keys, retention_us=MINUTE_US).trim([0])
    assert await redis.xlen(stream) == 3


@pytest.mark.usefixtures("laid_out")
async def test_for_live_streams_it_is_kept_as_long_as_redis_has_room(redis: Redis, keys: Keys) -> None:
    stream = keys.clicks(0)
    ids = await add(redis, stream, 3)
    for reader in ("visits", PERSISTER):
        await read(redis, stream, reader, ids[-1])
    await trimmer(redis, keys, live_us=MINUTE_US).trim([0])
    assert await redis.xlen(stream) == 3
    tight = trimmer(redis, keys, live_us=MINUTE_US, mark="1KB")

    async def all_gone() -> bool:
        await tight.trim([0])
        return await redis.xlen(stream) == 0

    await until(all_gone)


@pytest.mark.usefixtures("laid_out")
async def test_what_was_trimmed_is_said(redis: Redis, keys: Keys) -> None:
    streams = [keys.clicks(0), keys.sessions("visits", 0)]
    assert await trimmed_to(redis, streams) == (0, 0)
    [first, *_] = await add(redis, streams[0], 2)
    await trim_to(redis, streams[0], next_id(first))
    assert await trimmed_to(redis, streams) == split_id(next_id(first))


@pytest.mark.usefixtures("laid_out")
async def test_metrics_and_active_users_are_kept_as_long_as_they_are_of_use(redis: Redis, keys: Keys) -> None:
    for stream in (keys.metrics(0), keys.active(0)):
        await redis.xadd(stream, {"b": "x"}, id="1-0")
        await add(redis, stream, 1)
        await trimmer(redis, keys, retention_us=DAY_US).trim([0])
        assert await redis.xlen(stream) == 1


def test_the_first_entry_that_stays_is_after_the_least_cursor_and_younger_than_the_retention() -> None:
    readers = [Reader("a", "90-7", 1), Reader("b", "120-0", 1)]
    assert least_kept(readers, now_ms=200, retention_ms=0) == "90-8"
    assert least_kept(readers, now_ms=200, retention_ms=150) == "50-0"
    assert least_kept([], now_ms=200, retention_ms=500) == "0-0"


@pytest.mark.usefixtures("laid_out")
async def test_who_trims_a_partition_tells_its_lag_and_nobody_else_does(redis: Redis, keys: Keys) -> None:
    stream = keys.clicks(0)
    ids = await add(redis, stream, 5)
    await show_cursor(redis, stream, "visits", ids[1], since=START, entries=2)
    ours = trimmer(redis, keys)
    await ours.trim([0])
    assert (told_lag(stream, "visits"), told_lag(stream, PERSISTER)) == (3, 5)
    await forget_reader(redis, keys, PERSISTER)
    await ours.trim([0])
    assert (told_lag(stream, "visits"), told_lag(stream, PERSISTER)) == (3, None)
    await ours.trim([])
    assert told_lag(stream, "visits") is None


def told_lag(stream: str, reader: str) -> float | None:
    return REGISTRY.get_sample_value("clickloom_lag_entries", {"stream": stream, "reader": reader})


@pytest.mark.usefixtures("laid_out")
async def test_a_reader_of_ones_own_keeps_all_that_there_is_until_it_is_removed(redis: Redis, keys: Keys) -> None:
    stream = keys.clicks(0)
    await add_reader(redis, keys, "backup")
    ids = await add(redis, stream, 3)
    for reader in ("visits", PERSISTER):
        await read(redis, stream, reader, ids[-1])
    await trimmer(redis, keys).trim([0])
    assert await redis.xlen(stream) == 3
    await forget_reader(redis, keys, "backup")
    await trimmer(redis, keys).trim([0])
    assert await redis.xlen(stream) == 0
