"""Streams are trimmed while the persister lives, dies and comes back, and every click is in Postgres."""

from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.times import now_us
from tests.clicks import click
from tests.conftest import Select
from tests.processes import Start, until

CLICKS = 4_000


async def test_nothing_is_trimmed_that_is_not_in_postgres_yet_and_in_the_end_all_of_it_is(
    redis: Redis, keys: Keys, settings: Settings, start: Start, select: Select
) -> None:
    publisher = Publisher(redis, keys=keys, partitions=settings.partitions)
    clicks = [click(number, user=str(number % 100)) for number in range(CLICKS)]

    async def publish(first: int, last: int) -> None:
        for begin in range(first, last, 50):
            await publisher.publish(clicks[begin : begin + 50], arrival_us=now_us())

    async def entries() -> int:
        return sum([int(await redis.xlen(keys.clicks(number))) for number in range(settings.partitions)])

    sessionizer = start("sessionizer", LIVE_RETENTION="0s")  # before there has ever been a persister
    await publish(0, 1_000)
    await sessionizer.logged("partitions.taken")
    persister = start("persister")

    async def trimmed() -> bool:
        return await entries() == 0

    await until(trimmed, what="all to be read and trimmed")
    assert select("SELECT count(*) FROM clicks") == [(1_000,)]
    await publish(1_000, 2_000)
    persister.kill()
    await publish(2_000, CLICKS)
    start("persister")
    await until(trimmed, what="all to be read and trimmed again")
    assert select("SELECT count(*), count(DISTINCT event_id) FROM clicks") == [(CLICKS, CLICKS)]
