"""Redis comes back without the end of its append-only file, which Postgres has seen already."""

import os
import signal
from pathlib import Path
from random import Random

import psycopg
import pytest
from redis.asyncio import Redis

from clickloom.click import Click
from clickloom.connect import open_redis
from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.status.reading import read_status
from clickloom.streams import START, read_stream
from clickloom.times import now_us
from clickloom.windows.spec import parse_windows
from clickloom.wire import FIELD, decode_batch
from services.cli.embedded import embedded_valkey
from tests.chaos import log_tail
from tests.chaos.verdict import against_batch
from tests.clicks import click
from tests.conftest import Select
from tests.processes import Process, Start, until

WINDOWS = "visits = session(gap=30m)"
HOUR = 3_600


def some_clicks(begin: float, spacing_s: float, count: int) -> list[Click]:
    chance = Random(begin)
    return [click(begin + number * spacing_s, user=str(chance.randrange(20))) for number in range(count)]


OLD = some_clicks(0, 600, 200)  # sessions that the next clicks close
LOST = some_clicks(34 * HOUR, 1, 50)
NEW = some_clicks(34 * HOUR + 50, 1, 50)


@pytest.mark.parametrize("running", [True, False], ids=["running", "restarted"])
async def test_the_loss_is_told_and_when_the_lost_clicks_are_sent_again_all_is_exact(
    start: Start, settings: Settings, select: Select, store_folder: Path, running: bool
) -> None:
    # A release is lost too, so that the lease has to end; one that lasts is still there to be refused for the reason.
    environment = {"WINDOWS": WINDOWS, "LEASE": "60s" if running else "1s", "STREAM_RETENTION": "1d"}
    with embedded_valkey(store_folder) as url:
        settings = settings.model_copy(update={"redis_url": url, "windows": WINDOWS})
    keys = Keys(settings.namespace)

    def both() -> tuple[Process, Process]:
        return start("sessionizer", REDIS_URL=url, **environment), start("persister", REDIS_URL=url, **environment)

    async with open_redis(url) as redis:
        publisher = Publisher(redis, keys=keys, partitions=settings.partitions)
        with embedded_valkey(store_folder):
            sessionizer, persister = both()
            await publisher.publish(OLD, arrival_us=now_us())
            await all_written(redis, settings, select, 200)
            kept = log_tail.size(store_folder)
            await publisher.publish(LOST, arrival_us=now_us())
            await all_written(redis, settings, select, 250)
            assert select("SELECT count(*) > 100 FROM sessions") == [(True,)]
            if not running:
                assert (sessionizer.stop(), persister.stop()) == (0, 0)
            os.kill(int((store_folder / "valkey.pid").read_text()), signal.SIGKILL)
        assert log_tail.cut_off(store_folder, Random(1), least=kept, most=kept) > 0
        with embedded_valkey(store_folder):
            await publisher.publish(NEW, arrival_us=now_us())
            if not running:
                sessionizer, persister = both()
            assert "Redis has lost entries" in await persister.logged("stream.rolled_back")
            if running:
                await sessionizer.logged("Redis has lost its last commits")
            there = await event_ids(redis, settings)
            lost = [one for one in [*OLD, *LOST] if one.event_id not in there]
            assert len(lost) >= 50
            await publisher.publish(lost, arrival_us=now_us())
            await publisher.end_input(watermark_us=100 * HOUR * 10**6, arrival_us=now_us())
            await all_written(redis, settings, select, 300 + len(lost))

            async def closed() -> bool:
                return select("SELECT sum(events) FROM sessions") == [(300,)]

            await until(closed, what="all sessions to be closed")
            [visits] = parse_windows(WINDOWS)
            with psycopg.connect(settings.database_url, autocommit=True) as connection:
                assert list(against_batch(connection, visits)) == []
            assert select("SELECT count(DISTINCT event_id) FROM clicks") == [(300,)]
            assert sessionizer.stop() == persister.stop() == 0


async def all_written(redis: Redis, settings: Settings, select: Select, count: int) -> None:
    """Wait until so many rows are in `clicks` and no reader has a lag."""

    async def written() -> bool:
        if select("SELECT count(*) FROM clicks") != [(count,)]:
            return False
        return all(row.lag == 0 for row in (await read_status(redis, settings)).readers)

    await until(written, what=f"{count} clicks to be everywhere")


async def event_ids(redis: Redis, settings: Settings) -> set[str]:
    found = set[str]()
    for number in range(settings.partitions):
        entries = await read_stream(redis, Keys(settings.namespace).clicks(number), START, count=10_000, block_ms=None)
        found.update(event_id for _, fields in entries for event_id in decode_batch(fields[FIELD]).event_ids)
    return found
