"""The archive as a part of the persister, killed, cut off, stopped: it becomes what Postgres is, each row once."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.times import DAY_US, MINUTE_US, now_us
from tests.clicks import click
from tests.conftest import Select
from tests.flow import BUSY, Flow
from tests.lake.reading import ask
from tests.lake.s3 import BUCKET, SECRET, serving_s3
from tests.processes import Process, Start, until

DAY = 1_614_297_600  # 26 February 2021, 00:00 UTC
QUICK = {"ARCHIVE_SECONDS": "0.2", "ARCHIVE_ROWS": "300", "BUFFER_ROWS": "100", "BUFFER_SECONDS": "0.05"}
COMPARED = (
    "SELECT count(*), sum(entry_ms), sum(entry_row), count(DISTINCT event_id) FROM clicks",
    'SELECT "window", count(*), sum(events), sum(version), sum(duration_sec) FROM sessions GROUP BY 1 ORDER BY 1',
)


@dataclass
class Lake:
    """Where a test's archive is, and how the services are told of it."""

    url: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def lake_in(kind: str, tmp_path: Path) -> AsyncIterator[Lake]:
    if kind == "folder":
        yield Lake(str(tmp_path / "lake"), tmp_path / "lake")
        return
    async with serving_s3(tmp_path) as s3:
        yield Lake(f"s3://{BUCKET}/a", tmp_path / "fetched/a", s3.environment)
        s3.fetch(tmp_path / "fetched")


@pytest.fixture
def flow(redis: Redis, keys: Keys, settings: Settings) -> Flow:
    """Clicks of some days, a minute apart and out of order by up to half an hour: sessions are emitted and revised."""
    chance = random.Random(5)
    ordered = [click(DAY + 60 * minute, user=str(chance.randrange(40))) for minute in range(4_000)]
    return Flow(redis, keys, settings, sorted(ordered, key=lambda one: one.time_us + chance.random() * 34 * MINUTE_US))


async def until_written(select: Select, settings: Settings, redis: Redis, keys: Keys) -> None:
    """Until Postgres has all that the streams hold, and the archive all that Postgres has."""
    streams = [keys.clicks(number) for number in range(settings.partitions)]
    streams += [
        keys.sessions(window, number) for window in ("visits", "minutes") for number in range(settings.partitions)
    ]

    async def all_there() -> bool:
        cursors: dict[str, str] = dict(select("SELECT stream, cursor FROM stream_cursors"))
        lasts = {stream: (await redis.xinfo_stream(stream))["last-generated-id"].decode() for stream in streams}
        archived = select(
            "SELECT 1 FROM archives HAVING bool_and(plan IS NULL AND first_from IS NULL) AND count(*) = 2"
            " AND NOT EXISTS (SELECT FROM session_changes) AND (SELECT sum(entry_ms) FROM archive_cursors) ="
            " (SELECT sum(split_part(cursor, '-', 1)::bigint) FROM stream_cursors WHERE stream LIKE '%clicks:%')"
        )
        return lasts == {stream: cursors.get(stream) for stream in streams} and bool(archived)

    await until(all_there, what="everything to be in the archive")


async def all_read(flow: Flow, sessionizer: Process) -> None:
    """End the input, so that all sessions of `visits` close, and then the sessionizer."""
    end_us = max(one.time_us for one in flow.clicks) + DAY_US
    await flow._publisher.end_input(watermark_us=end_us, arrival_us=now_us())
    await until(flow.all_read, what="all clicks to be read")
    assert sessionizer.stop() == 0


def assert_same(select: Select, folder: Path) -> None:
    for query in COMPARED:
        stored = select(query)
        assert stored
        assert ask(query, folder) == stored


@pytest.mark.parametrize("kind", ["folder", "bucket"])
async def test_an_archive_whose_persisters_are_killed_at_any_moment_is_exact(
    kind: str,
    start: Start,
    flow: Flow,
    redis: Redis,
    keys: Keys,
    settings: Settings,
    select: Select,
    tmp_path: Path,
) -> None:
    chance = random.Random(11)
    sessionizer = start("sessionizer", **BUSY)
    async with lake_in(kind, tmp_path) as lake:
        more = {**BUSY, **QUICK, **lake.environment, "ARCHIVE_URL": lake.url}
        persister = start("persister", **more)
        async with flow.running(seconds=8):
            for _ in range(6):
                number = select("SELECT coalesce(sum(number), 0) FROM archives")[0][0]

                async def further(number: int = number) -> bool:
                    return bool(select("SELECT 1 FROM archives HAVING sum(number) > %s", number))

                await until(further, what="the archive to go on")
                await asyncio.sleep(chance.random() * 0.3)  # anywhere in its steps
                persister.kill()
                persister = start("persister", **more)
        await all_read(flow, sessionizer)
        await until_written(select, settings, redis, keys)
        assert persister.stop() == 0
    assert_same(select, lake.folder)
    assert not list(lake.folder.rglob(".*")), "what a killed one left is gone"
    assert select("SELECT count(*) FROM sessions WHERE version > 1") != [(0,)]


async def test_a_place_that_is_away_or_slow_holds_up_nothing_and_gets_everything_later(
    start: Start,
    flow: Flow,
    redis: Redis,
    keys: Keys,
    settings: Settings,
    select: Select,
    tmp_path: Path,
    environment: dict[str, str],
) -> None:
    async def written_in_postgres(count: int) -> None:
        async def there() -> bool:
            return bool(select("SELECT count(*) FROM clicks")[0][0] >= count)

        await until(there, what="the clicks to be in Postgres")

    sessionizer = start("sessionizer", **BUSY)
    async with serving_s3(tmp_path) as s3:
        more = {**BUSY, **QUICK, **s3.environment, "ARCHIVE_URL": f"s3://{BUCKET}"}
        s3.process.signal(signal.SIGSTOP)
        persister = start("persister", **more, LOG_FORMAT="json")
        async with flow.running(seconds=2):
            pass
        await written_in_postgres(len(flow.clicks))
        s3.process.signal(signal.SIGCONT)
        await all_read(flow, sessionizer)
        await until_written(select, settings, redis, keys)
        s3.fetch(tmp_path / "fetched")
        port = int(s3.environment["AWS_ENDPOINT_URL"].rpartition(":")[2])
    assert_same(select, tmp_path / "fetched")
    # gone altogether
    await flow._publish(1)
    await persister.logged("archive.away")
    await written_in_postgres(2 * len(flow.clicks))
    shown = await _status(start)
    assert f"! the archive waits: s3://{BUCKET} cannot be reached:" in shown
    async with serving_s3(tmp_path, port=port) as s3:
        await persister.logged("archive.back")
        await until_written(select, settings, redis, keys)
        s3.fetch(tmp_path / "fetched")
    assert_same(select, tmp_path / "fetched")
    assert "the archive waits" not in await _status(start)
    assert persister.stop() == 0
    assert SECRET not in persister.output


async def _status(start: Start) -> str:
    showing = start("cli", "status")
    await showing.ended()
    return showing.output


async def test_a_persister_stops_at_once_though_its_archive_waits_for_a_place_that_hangs(
    start: Start, flow: Flow, tmp_path: Path
) -> None:
    async with serving_s3(tmp_path) as s3:
        s3.process.signal(signal.SIGSTOP)
        persister = start("persister", **QUICK, **s3.environment, ARCHIVE_URL=f"s3://{BUCKET}")
        await persister.logged("service.started")
        assert persister.stop(within_s=9) == 0
        s3.process.signal(signal.SIGCONT)


async def test_an_archive_ends_by_hand_and_nothing_is_kept_for_it_any_more(
    start: Start, select: Select, tmp_path: Path
) -> None:
    async def removed(code: int) -> Process:
        removing = start("cli", "readers", "remove", "archive", COLUMNS="200")
        assert await removing.ended() == code, removing.output
        return removing

    async def begun() -> bool:
        return bool(select("SELECT 1 FROM archives WHERE first_from IS NULL AND \"table\" = 'sessions'"))

    assert "there is no archive in this database" in (await removed(1)).output
    persister = start("persister", **QUICK, ARCHIVE_URL=str(tmp_path / "lake"))
    await until(begun)
    assert "take ARCHIVE_URL out of the persisters first" in (await removed(1)).output
    persister.stop()
    other = start("persister", **QUICK, ARCHIVE_URL=str(tmp_path / "other"))
    assert await other.ended() == 1
    assert "but the archive of this database is in" in other.output.splitlines()[-1]
    assert "nobody writes the archive" in await _status(start)
    assert "its files stay" in (await removed(0)).output
    assert select("SELECT count(*) FROM archives") == [(0,)]


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://key:secret@bucket"])
async def test_a_url_that_is_no_place_ends_the_persister_with_one_line(start: Start, url: str) -> None:
    persister = start("persister", ARCHIVE_URL=url)
    assert await persister.ended() == 1
    assert "is no place for files" in persister.output.splitlines()[-1]
    assert "secret@" not in persister.output
