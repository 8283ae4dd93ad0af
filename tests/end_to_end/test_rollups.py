"""Rollups and the persister's death: they move with the rows, or not at all."""

import asyncio
import random

import psycopg
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.session import Session
from clickloom.settings import Settings
from clickloom.wire import FIELD, encode
from services.persister.recount import check_rollups
from tests.conftest import Select
from tests.processes import Start, until
from tests.sessions import changelog, session

SESSIONS = 4_000
AT_ONCE = 20


async def append_with_revisions(redis: Redis, keys: Keys) -> None:
    """Sessions that are each revised in the next entry, and others of another stream in the same places."""
    before: list[Session] = []
    for first in range(0, SESSIONS, AT_ONCE):
        made = [session(1e9 + number, user=str(number)) for number in range(first, first + AT_ONCE)]
        revised = [session(row.begin_us / 1e6, user=row.user_id, version=2, events=3) for row in before]
        entry = changelog(*made, *revised, minus=tuple(before))
        await redis.xadd(keys.sessions("visits", 0), {FIELD: encode(entry)})
        other = changelog(session(1e9 + first, user=f"x{first}"))
        await redis.xadd(keys.sessions("visits", 1), {FIELD: encode(other)})
        before = made


async def test_a_persister_that_is_killed_while_it_writes_leaves_rollups_that_a_recount_gives(
    start: Start, redis: Redis, keys: Keys, settings: Settings, select: Select
) -> None:
    await append_with_revisions(redis, keys)
    chance = random.Random(5)

    def written() -> int:
        return int(select("SELECT count(*) FROM sessions")[0][0])

    def differences() -> int:
        with psycopg.connect(settings.database_url) as connection:
            return check_rollups(connection).different

    for _ in range(4):
        before = written()
        persister = start("persister", BUFFER_ROWS="100")

        async def some_more(before: int = before) -> bool:
            return written() > before

        await until(some_more)
        await asyncio.sleep(chance.random() * 0.05)  # anywhere in its step
        persister.kill()
        assert differences() == 0
    start("persister")
    expected = SESSIONS + SESSIONS // AT_ONCE

    async def all_there() -> bool:
        return written() == expected

    await until(all_there)
    assert differences() == 0
    assert select("SELECT count(*) FROM sessions WHERE version = 2") == [(SESSIONS - AT_ONCE,)]
