"""The persister as a process: killed, cut off, restarted under; what is in Postgres stays exact."""

import asyncio
import random
import signal
from pathlib import Path

import psycopg
import pytest
from redis.asyncio import Redis

import migrations
from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.wire import FIELD, encode
from services.cli.embedded import embedded_postgres
from tests.clicks import batch, click
from tests.conftest import Select
from tests.processes import Start, until

CLICKS = 20_000


@pytest.fixture
def publisher(redis: Redis, keys: Keys, settings: Settings) -> Publisher:
    return Publisher(redis, keys=keys, partitions=settings.partitions)


async def publish(publisher: Publisher, begin: int, end: int) -> None:
    """Clicks e<begin> to e<end - 1>, in batches of a few."""
    for first in range(begin, end, 40):
        clicks = [click(1e9 + n, user=str(n % 97), event_id=f"e{n}") for n in range(first, min(first + 40, end))]
        await publisher.publish(clicks, arrival_us=10**15)


def written(select: Select) -> int:
    return int(select("SELECT count(*) FROM clicks")[0][0])


def assert_exact(select: Select, count: int) -> None:
    found = select("SELECT event_id FROM clicks")
    assert sorted(event_id for (event_id,) in found) == sorted(f"e{number}" for number in range(count))


def assert_rows_end_at_the_cursor(select: Select, settings: Settings) -> None:
    keys = Keys(settings.namespace)
    cursors: dict[str, str] = dict(select("SELECT stream, cursor FROM stream_cursors"))
    last = select(
        "SELECT DISTINCT ON (partition) partition, entry_ms || '-' || entry_seq"
        " FROM clicks ORDER BY partition, entry_ms DESC, entry_seq DESC"
    )
    assert {keys.clicks(number): cursor for number, cursor in last} == {
        keys.clicks(number): cursors[keys.clicks(number)] for number, _ in last
    }


async def test_persisters_killed_while_they_write_lose_nothing_and_write_nothing_twice(
    start: Start, publisher: Publisher, select: Select, settings: Settings
) -> None:
    chance = random.Random(7)
    published = 0
    for _ in range(5):
        await publish(publisher, published, published + CLICKS)
        published += CLICKS
        before = written(select)
        persister = start("persister", BUFFER_ROWS="100")

        async def some_more(before: int = before) -> bool:
            return written(select) > before

        await until(some_more)
        await asyncio.sleep(chance.random() * 0.05)  # anywhere in its step
        persister.kill()
        await until_no_persister_is_connected(select)
        assert before < written(select) < published, "the kill must fall in the middle"
        assert_rows_end_at_the_cursor(select, settings)

    start("persister")

    async def all_there() -> bool:
        return written(select) >= published

    await until(all_there)
    assert_exact(select, published)


async def until_no_persister_is_connected(select: Select) -> None:
    """Postgres may still be at the last commit of a process that is gone."""

    async def gone() -> bool:
        return not select(f"SELECT 1 {PERSISTERS}")

    await until(gone)


PERSISTERS = "FROM pg_stat_activity a WHERE application_name = 'clickloom-persister' AND datname = current_database()"


async def test_a_persister_whose_connections_are_cut_goes_on_by_itself(
    start: Start, publisher: Publisher, select: Select
) -> None:
    persister = start("persister", BUFFER_ROWS="100", BUFFER_SECONDS="0.05")
    publishing = asyncio.create_task(publish(publisher, 0, CLICKS))
    cut = 0

    async def all_there() -> bool:
        nonlocal cut
        if cut < 10:
            cut += len(select(f"SELECT pg_terminate_backend(pid) {PERSISTERS} AND state <> 'idle'"))
        return written(select) >= CLICKS

    await until(all_there)
    await publishing
    assert cut >= 10
    assert persister.alive
    assert "store.away" in persister.output
    assert_exact(select, CLICKS)


async def test_two_persisters_and_the_loss_of_one_write_everything_once(
    start: Start, publisher: Publisher, select: Select
) -> None:
    pair = [start("persister", BUFFER_ROWS="100", BUFFER_SECONDS="0.05") for _ in range(2)]
    for persister in pair:
        await persister.logged("service.started")
    publishing = asyncio.create_task(publish(publisher, 0, CLICKS))

    async def begun() -> bool:
        return written(select) > 500

    await until(begun)
    pair[0].kill()
    await publishing

    async def all_there() -> bool:
        return written(select) >= CLICKS

    await until(all_there)
    assert_exact(select, CLICKS)


async def test_a_persister_that_is_paused_in_a_transaction_does_not_keep_its_stream_from_another(
    start: Start, publisher: Publisher, select: Select
) -> None:
    await publish(publisher, 0, CLICKS)
    paused = start("persister", BUFFER_ROWS="100")

    async def holds_a_stream() -> bool:
        holds = "EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND relation = 'stream_cursors'::regclass)"
        waits = f"SELECT 1 {PERSISTERS} AND state = 'idle in transaction' AND {holds}"
        if not select(waits):
            return False
        paused.signal(signal.SIGSTOP)
        if select(waits):
            return True
        paused.signal(signal.SIGCONT)  # it had gone on meanwhile
        return False

    await until(holds_a_stream)
    assert written(select) < CLICKS
    start("persister")

    async def all_there() -> bool:
        return written(select) >= CLICKS

    await until(all_there)
    paused.signal(signal.SIGCONT)
    await paused.logged("store.back")
    assert_exact(select, CLICKS)


async def test_a_persister_goes_on_by_itself_after_postgres_was_away(
    start: Start, redis: Redis, keys: Keys, store_folder: Path
) -> None:
    async def add() -> None:
        await redis.xadd(keys.clicks(0), {FIELD: encode(batch(click(1e9)))})

    async def has(count: int) -> None:
        async def there() -> bool:
            with psycopg.connect(url) as connection:
                return connection.execute("SELECT count(*) FROM clicks").fetchone() == (count,)

        await until(there)

    with embedded_postgres(store_folder) as url:
        migrations.upgrade(url)
        await add()
        persister = start("persister", DATABASE_URL=url)
        await has(1)
    await add()
    await persister.logged("store.away")
    with embedded_postgres(store_folder) as url:
        await has(2)
        await persister.logged("store.back")
        assert persister.stop() == 0


async def test_an_entry_of_a_later_version_ends_the_persister_with_one_line(
    start: Start, redis: Redis, keys: Keys
) -> None:
    later = batch(click(1e9))
    later.version = 9
    await redis.xadd(keys.clicks(0), {FIELD: encode(later)})
    persister = start("persister")
    assert await persister.ended() == 1
    [_, failed] = persister.output.splitlines()
    assert "version 9; this software reads version 1: upgrade every service" in failed


async def test_a_database_without_the_schema_ends_the_persister_with_the_remedy(
    start: Start, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    persister = start("persister")
    assert await persister.ended() == 1
    assert "run `clickloom migrate`" in persister.output.splitlines()[-1]
