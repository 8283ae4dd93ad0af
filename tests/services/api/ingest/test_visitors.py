"""A visitor is one for a day, on every API process, and nobody can find out later who it was."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from clickloom.connect import open_redis
from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.times import DAY_US, now_us
from services.api.ingest.visitors import DailyVisitors, visitor_id
from services.cli.embedded import embedded_valkey
from tests.processes import until

WHO = {"site_id": "shop", "address": "192.0.2.7", "user_agent": "Mozilla/5.0"}


async def test_all_processes_of_one_redis_know_a_visitor_by_one_id(redis: Redis, keys: Keys) -> None:
    processes = [DailyVisitors(redis, keys) for _ in range(5)]
    ids = await asyncio.gather(*(process.visitor(**WHO, now_us=now_us()) for process in processes))
    assert len(set(ids)) == 1
    assert ids[0] == await processes[0].visitor(**WHO, now_us=now_us())


@pytest.mark.parametrize("other", [{"site_id": "blog"}, {"address": "192.0.2.8"}, {"user_agent": "Mozilla/6.0"}])
async def test_another_site_address_or_browser_is_another_visitor(
    redis: Redis, keys: Keys, other: dict[str, str]
) -> None:
    visitors = DailyVisitors(redis, keys)
    assert await visitors.visitor(**WHO, now_us=now_us()) != await visitors.visitor(**WHO | other, now_us=now_us())


async def test_the_next_day_it_is_another_and_the_days_before_cannot_be_made_again(redis: Redis, keys: Keys) -> None:
    today = now_us()
    visitors = DailyVisitors(redis, keys)
    first = await visitors.visitor(**WHO, now_us=today)
    assert await redis.exists(keys.salt(today // DAY_US))
    second = await visitors.visitor(**WHO, now_us=today + DAY_US)
    assert second != first
    assert not await redis.exists(keys.salt(today // DAY_US))
    assert await DailyVisitors(redis, keys).visitor(**WHO, now_us=today) != first


async def test_the_salt_ends_with_its_day_even_if_nobody_comes(redis: Redis, keys: Keys) -> None:
    now = now_us()
    await DailyVisitors(redis, keys).visitor(**WHO, now_us=now)
    ends = (now // DAY_US + 1) * 86_400
    assert ends <= await redis.expiretime(keys.salt(now // DAY_US)) <= ends + 60


async def test_a_process_forgets_the_salt_with_the_day_even_if_nobody_comes(redis: Redis, keys: Keys) -> None:
    almost = (now_us() // DAY_US + 1) * DAY_US - 1_000
    visitors = DailyVisitors(redis, keys)
    await visitors.visitor(**WHO, now_us=almost)

    async def forgotten() -> bool:
        return visitors.remembers == 0

    await until(forgotten)


async def test_the_salt_is_on_redis_disk_no_longer_either(store_folder: Path) -> None:
    keys, today = Keys("a"), now_us()
    with embedded_valkey(store_folder / "valkey") as url:
        async with open_redis(url) as redis:
            visitors = DailyVisitors(redis, keys)
            await visitors.visitor(**WHO, now_us=today)
            salt: Any = await redis.get(keys.salt(today // DAY_US))
            assert salt in written(store_folder), "as every other key"
            await visitors.visitor(**WHO, now_us=today + DAY_US)

            async def gone() -> bool:
                return salt not in written(store_folder)

            await until(gone)


def written(folder: Path) -> bytes:
    files = (folder / "valkey").rglob("*.aof")
    return b"".join(path.read_bytes() for path in files if path.exists())


async def test_a_redis_that_refuses_to_write_its_file_anew_does_not_turn_visitors_away(
    settings: Settings, redis: Redis, keys: Keys
) -> None:
    user, server = keys.namespace, cast("Any", redis)
    await server.execute_command("ACL", "SETUSER", user, "on", ">p", "~*", "+@all", "-bgrewriteaof", "-info")
    url = settings.redis_url.replace("unix://", f"unix://{user}:p@")
    async with open_redis(url) as refusing:
        assert len(await DailyVisitors(refusing, keys).visitor(**WHO, now_us=now_us())) == 32
    await server.execute_command("ACL", "DELUSER", user)


def test_an_id_tells_its_parts_apart() -> None:
    salt = bytes(32)
    assert visitor_id(salt, site_id="a", address="b", user_agent="c") != visitor_id(
        salt, site_id="a", address="", user_agent="bc"
    )
