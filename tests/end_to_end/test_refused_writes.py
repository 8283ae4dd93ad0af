"""Postgres refuses a write: the cursor stops, nothing is skipped, and all comes in when it takes writes again."""

import asyncio
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from redis.asyncio import Redis

import migrations
from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from services.cli.embedded import embedded_postgres
from tests.clicks import click
from tests.processes import Start, until
from tests.proxy import proxy_before

CLICKS = 2_000
SOON_S = 4.0  # of which the step that is cut off has one

COUNTED = "SELECT count(*), count(DISTINCT event_id) FROM clicks WHERE site_id <> 'filler'"
Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def publisher(redis: Redis, keys: Keys, settings: Settings) -> Publisher:
    return Publisher(redis, keys=keys, partitions=settings.partitions)


async def publish(publisher: Publisher, begin: int) -> None:
    """Clicks e<begin> and so on."""
    clicks = [
        click(1e9 + number, user=str(number % 97), event_id=f"e{number}") for number in range(begin, begin + CLICKS)
    ]
    for first in range(0, CLICKS, 100):
        await publisher.publish(clicks[first : first + 100], arrival_us=10**15)


def rows(database: Connection) -> int:
    found = database.execute("SELECT count(*) FROM clicks WHERE site_id <> 'filler'").fetchone()
    assert found is not None
    return int(found[0])


def cursors(database: Connection) -> dict[str, str]:
    return dict(database.execute("SELECT stream, cursor FROM stream_cursors WHERE stream LIKE '%clicks%'").fetchall())


async def all_written(database: Connection, count: int) -> None:
    async def written() -> bool:
        return rows(database) >= count

    await until(written, what=f"{count} clicks in Postgres")
    assert database.execute(COUNTED).fetchone() == (count, count)


REFUSE: dict[str, tuple[str, str, str, str]] = {
    "read-only": (
        "ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()",
        "ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf()",
        "store.away",
        "read-only transaction",
    ),
    "no privilege": (
        "REVOKE INSERT ON clicks FROM persister",
        "GRANT INSERT ON clicks TO persister",
        "store.refuses",
        "permission denied for table clicks",
    ),
    "a trigger of somebody's": (
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now';END $$;"
        " CREATE TRIGGER no BEFORE INSERT ON clicks FOR EACH ROW EXECUTE FUNCTION no()",
        # not DROP TRIGGER: it locks partitions before their table, and may be the victim of a deadlock
        "CREATE OR REPLACE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW;END $$",
        "store.refuses",
        "not now",
    ),
}


@pytest.mark.parametrize("kind", REFUSE)
async def test_the_cursor_stops_and_all_is_written_when_the_refusal_ends(
    start: Start, publisher: Publisher, store_folder: Path, kind: str
) -> None:
    refuse, allow, said, reason = REFUSE[kind]
    with embedded_postgres(store_folder) as url:
        migrations.upgrade(url)
        with psycopg.connect(url, autocommit=True) as database:
            make_persister(database)
            as_persister = url.replace("postgres:@", "persister:@")
            persister = start("persister", DATABASE_URL=as_persister)
            await publish(publisher, 0)
            await all_written(database, CLICKS)
            before = cursors(database)
            run(database, refuse)
            await publish(publisher, CLICKS)
            assert reason in await persister.logged(said, times=3)
            assert (rows(database), cursors(database)) == (CLICKS, before)
            run(database, allow)
            await persister.logged("store.back")
            await all_written(database, 2 * CLICKS)
            assert persister.stop() == 0


def make_persister(database: Connection) -> None:
    """A role with just what a persister needs."""
    run(
        database,
        "CREATE ROLE persister LOGIN; GRANT CREATE ON SCHEMA public TO persister;"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO persister;"
        " ALTER TABLE clicks OWNER TO persister; ALTER TABLE sessions OWNER TO persister",
    )


def run(database: Connection, statements: str) -> None:
    for statement in statements.split("; "):
        database.execute(statement.encode())


@pytest.mark.skipif(not shutil.which("prlimit"), reason="needs prlimit")
async def test_a_disk_that_is_full_stops_the_cursor_until_there_is_room(
    start: Start, publisher: Publisher, store_folder: Path
) -> None:
    """No file of the server's may grow beyond a size, which is refused where a full disk is, and needs no rights."""
    with embedded_postgres(store_folder) as url:
        migrations.upgrade(url)
        with psycopg.connect(url, autocommit=True) as database:
            persister = start("persister", DATABASE_URL=url)
            await publish(publisher, 0)
            await all_written(database, CLICKS)
            database.execute(FILLER)  # larger than a file of the write-ahead log, which must not be refused
            limit_files(store_folder, str(size_of_clicks(database)))
            published = CLICKS
            while "File too large" not in persister.output:  # what is free in the files is filled first
                await publish(publisher, published)
                published += CLICKS
            await persister.logged("store.", times=8)  # by then all streams wait
            before, kept = cursors(database), rows(database)
            await persister.logged("store.", times=12)
            assert (rows(database), cursors(database)) == (kept, before)
            assert kept < published
            limit_files(store_folder, "unlimited")
            await persister.logged("store.back")
            await all_written(database, published)
            assert persister.stop() == 0


FILLED = "clicks_20010909"
FILLER = f"""
INSERT INTO {FILLED} SELECT (jsonb_populate_record(one, jsonb_build_object(
    'entry_row', -number, 'site_id', 'filler', 'properties', jsonb_build_object('filler', repeat('x', 1800))
))).*
FROM (SELECT {FILLED} AS one FROM {FILLED} LIMIT 1) AS filled, generate_series(1, 10000) AS number
"""


def size_of_clicks(database: Connection) -> int:
    found = database.execute("SELECT pg_relation_size(%s::regclass)", [FILLED]).fetchone()
    assert found is not None
    assert found[0] > 2**24
    return int(found[0])


def limit_files(folder: Path, size: str) -> None:
    """Of every process of the server, those to come too; by its own account, which is not root's."""
    postmaster = int((folder / "postgres18" / "postmaster.pid").read_text().splitlines()[0])
    server = psutil.Process(postmaster)
    account = {"user": server.uids().real, "group": server.gids().real, "extra_groups": []} if os.geteuid() == 0 else {}
    for process in [server, *server.children()]:
        command = ["prlimit", "--pid", str(process.pid), f"--fsize={size}:"]
        subprocess.run(command, check=True, capture_output=True, **account)  # type: ignore[call-overload]  # by name


async def test_a_persister_ends_soon_though_redis_is_silent(
    start: Start, settings: Settings, publisher: Publisher, database: Connection
) -> None:
    async with proxy_before(settings.redis_url) as proxy:
        persister = start("persister", REDIS_URL=proxy.url)
        await persister.logged("service.started")
        await publish(publisher, 0)
        await all_written(database, CLICKS)
        proxy.silence()
        asked = time.monotonic()
        assert await asyncio.to_thread(persister.stop) == 0
        assert time.monotonic() - asked < SOON_S
