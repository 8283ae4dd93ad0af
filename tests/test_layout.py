"""What is fixed at first start, and who is registered to read what."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from clickloom.connect import open_redis
from clickloom.errors import InvalidSetting, ServerUnavailable
from clickloom.keys import Keys
from clickloom.layout import PERSISTER, TRIGGERS, add_reader, forget_reader, lay_out, read_layout
from clickloom.settings import Settings
from clickloom.streams import START, readers_of, show_cursor
from clickloom.windows.spec import Window, parse_windows
from services.cli.embedded import embedded_valkey

BOTH = parse_windows("visits = session(gap=30m); minutes = stagger(range=1m)")
VISITS = BOTH[:1]

Start = Callable[..., Awaitable[None]]


@pytest.fixture
def start(settings: Settings, keys: Keys) -> Start:
    """A service starts with these settings."""

    async def start(windows: tuple[Window, ...] = BOTH, partitions: int = 2, *, reader: str = "") -> None:
        await lay_out(settings.redis_url, keys=keys, partitions=partitions, windows=windows, reader=reader)

    return start


async def names(redis: Redis, stream: str) -> set[str]:
    return {reader.name for reader in await readers_of(redis, stream)}


async def test_at_first_start_every_reader_is_registered_also_a_persister_that_never_ran(
    redis: Redis, keys: Keys, start: Start
) -> None:
    await start()
    assert await names(redis, keys.clicks(1)) == {"visits", "minutes", PERSISTER}
    assert await names(redis, keys.sessions("visits", 1)) == {PERSISTER}
    assert await names(redis, keys.rejected()) == {PERSISTER}


async def test_another_partition_count_is_refused_with_the_one_that_fits(
    redis: Redis, keys: Keys, start: Start
) -> None:
    await start()
    with pytest.raises(InvalidSetting, match="set PARTITIONS=2"):
        await start(partitions=3)


async def test_another_definition_of_a_window_is_refused_in_the_words_of_the_settings(
    redis: Redis, keys: Keys, start: Start
) -> None:
    await start()
    shorter = parse_windows("visits = session(gap=10m)")
    with pytest.raises(InvalidSetting) as error:
        await start(shorter)
    assert "visits = session(gap=10m, max_duration=1d)" in str(error.value)
    assert "cut by session(gap=30m, max_duration=1d)" in str(error.value)
    await start(parse_windows("visits = session(30 min, max_duration=24h)"))  # the same in other words


async def test_a_window_more_is_registered_where_the_streams_begin(redis: Redis, keys: Keys, start: Start) -> None:
    await start(VISITS)
    await redis.xadd(keys.clicks(0), {"b": "x"})
    await start(BOTH)
    assert [(reader.name, reader.lag) for reader in await readers_of(redis, keys.clicks(0))] == [
        ("minutes", 1),
        (PERSISTER, 1),
        ("visits", 1),
    ]


async def test_a_redis_that_evicts_is_refused_with_the_remedy(redis: Redis, keys: Keys, start: Start) -> None:
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(InvalidSetting, match=r"allkeys-lru.*set maxmemory-policy noeviction"):
            await start()
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")


async def test_a_window_out_of_the_settings_stays_registered_until_it_is_removed(
    redis: Redis, keys: Keys, start: Start
) -> None:
    await start()
    await start(VISITS)
    assert "minutes" in await names(redis, keys.clicks(0))
    assert await forget_reader(redis, keys, "minutes") == []
    assert await names(redis, keys.clicks(0)) == {"visits", PERSISTER}
    assert (await read_layout(redis, keys)).windows == {"visits": "session(gap=30m, max_duration=1d)"}


async def test_removing_a_window_keeps_what_the_persister_has_not_written_of_it(
    redis: Redis, keys: Keys, start: Start
) -> None:
    await start()
    changelog = keys.sessions("minutes", 1)
    entry = (await redis.xadd(changelog, {"b": "x"})).decode()  # type: ignore[union-attr]  # this client gives bytes
    assert await forget_reader(redis, keys, "minutes") == [changelog]
    assert await redis.xlen(changelog) == 1
    assert not await redis.exists(keys.sessions("minutes", 0))
    assert (await read_layout(redis, keys)).streams(keys, 1)[keys.clicks(1)] == {"visits", PERSISTER}
    await show_cursor(redis, changelog, PERSISTER, entry, since=START, entries=1)
    assert await forget_reader(redis, keys, "minutes") == []
    assert not await redis.exists(changelog)


async def test_a_window_that_is_being_served_is_not_removed(redis: Redis, keys: Keys, start: Start) -> None:
    await start()
    await redis.set(keys.lease("visits", 1), "1:somebody")
    with pytest.raises(InvalidSetting, match="visits is being served"):
        await forget_reader(redis, keys, "visits")


async def test_a_removed_persister_is_no_reader_until_it_runs_again(redis: Redis, keys: Keys, start: Start) -> None:
    await start()
    await forget_reader(redis, keys, PERSISTER)
    await start()
    assert await names(redis, keys.rejected()) == set()
    await start(reader=PERSISTER)
    assert await names(redis, keys.rejected()) == {PERSISTER}


async def test_the_triggers_read_the_changelogs_from_their_own_start_on(redis: Redis, keys: Keys, start: Start) -> None:
    await start()
    assert await names(redis, keys.sessions("visits", 1)) == {PERSISTER}
    await start(reader=TRIGGERS)
    await start()
    assert await names(redis, keys.sessions("visits", 1)) == {PERSISTER, TRIGGERS}
    assert TRIGGERS not in await names(redis, keys.clicks(1))
    await forget_reader(redis, keys, TRIGGERS)
    await start()
    assert await names(redis, keys.sessions("visits", 1)) == {PERSISTER}


async def test_somebody_elses_group_is_a_reader_that_can_be_removed(redis: Redis, keys: Keys, start: Start) -> None:
    await start()
    await redis.xgroup_create(keys.clicks(0), "theirs", "0")
    await forget_reader(redis, keys, "theirs")
    with pytest.raises(InvalidSetting, match="'theirs' reads nothing here; registered are minutes, persister, visits"):
        await forget_reader(redis, keys, "theirs")


async def test_a_namespace_in_which_nothing_was_laid_out_is_named(redis: Redis, keys: Keys, start: Start) -> None:
    with pytest.raises(InvalidSetting, match=keys.namespace):
        await read_layout(redis, keys)


async def test_a_redis_that_is_not_there_is_said_in_one_line(keys: Keys) -> None:
    with pytest.raises(ServerUnavailable, match="REDIS_URL does not answer"):
        await lay_out("redis://127.0.0.1:1", keys=keys, partitions=2, windows=BOTH)


async def test_a_full_redis_does_not_keep_the_readers_that_make_room_from_starting_or_being_removed(
    keys: Keys, store_folder: Path
) -> None:
    with embedded_valkey(store_folder, {"save": ""}) as url:
        await lay_out(url, keys=keys, partitions=2, windows=VISITS)
        async with open_redis(url) as redis:
            await redis.config_set("maxmemory", "1")
            with pytest.raises(OutOfMemoryError):
                await redis.xadd(keys.clicks(0), {"b": "x"})
            await lay_out(url, keys=keys, partitions=2, windows=BOTH, reader=PERSISTER)
            assert await names(redis, keys.clicks(1)) == {"visits", "minutes", PERSISTER}
            await forget_reader(redis, keys, PERSISTER)
            await forget_reader(redis, keys, "minutes")
            assert await names(redis, keys.clicks(1)) == {"visits"}


async def test_a_reader_of_ones_own_reads_every_stream_that_is_read_and_has_a_name_of_its_own(
    redis: Redis, keys: Keys, start: Start
) -> None:
    await start()
    await add_reader(redis, keys, "backup")
    assert await names(redis, keys.clicks(1)) == {"visits", "minutes", PERSISTER, "backup"}
    assert await names(redis, keys.sessions("minutes", 0)) == {PERSISTER, "backup"}
    with pytest.raises(InvalidSetting, match="choose another name"):
        await add_reader(redis, keys, "visits")
