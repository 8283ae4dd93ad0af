"""A person is erased while everything runs: they do not come back, and nobody else's numbers change."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from redis.asyncio import Redis

from clickloom.click import Click
from clickloom.erasure import person_of
from clickloom.keys import Keys
from clickloom.person import is_of
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.status.reading import read_status
from clickloom.times import now_us
from clickloom.wire import RejectedEvent
from services.cli import ledger
from services.persister.day_check import check_days
from services.persister.recount import check_rollups
from tests.chaos.verdict import against_batch
from tests.clicks import click
from tests.conftest import Select
from tests.end_to_end.api import asking
from tests.flow import BUSY, WINDOWS
from tests.lake.reading import ask
from tests.processes import PATIENCE_S, Process, Start, until

HOUR = 3_600
USERS = 30
GONE = "secret-person"

Command = Callable[..., Awaitable["subprocess.CompletedProcess[str]"]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"windows": WINDOWS, "stream_retention_us": 86_400_000_000})


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, **BUSY, "STREAM_RETENTION": "1d", "BUFFER_SECONDS": "0.05"}


@pytest.fixture
def clickloom(environment: dict[str, str]) -> Command:
    async def clickloom(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "services.cli", *arguments]
        return await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True)

    return clickloom


@pytest.fixture
def publisher(redis: Redis, keys: Keys, settings: Settings) -> Publisher:
    return Publisher(redis, keys=keys, partitions=settings.partitions)


def visits(begin: float, end: float, *, seed: int = 1) -> list[Click]:
    """A click every few seconds by somebody, on several devices; sessions close all the time."""
    chance, found = Random(seed), []
    moment = begin
    while moment < end:
        moment += chance.random() * 60
        user = chance.choice([GONE, *(f"u{number}" for number in range(USERS))])
        found.append(click(moment, user=user, device_id=chance.choice(["mobile", "computer", "tablet"])))
    return found


async def both(start: Start) -> list[Process]:
    sessionizer, persister = (start(service) for service in ("sessionizer", "persister"))
    await sessionizer.logged("partitions.taken")
    return [sessionizer, persister]


async def settled(redis: Redis, settings: Settings) -> None:
    async def no_lag() -> bool:
        return all(reader.lag == 0 for reader in (await read_status(redis, settings)).readers)

    await until(no_lag, what="all to be read and written")


async def names_in_redis(redis: Redis, settings: Settings) -> list[str]:
    """The keys whose stored value has the person's name in it."""
    found = []
    async for name in redis.scan_iter(match=f"{settings.namespace}:*"):
        stored = await redis.dump(name)
        kind = await redis.type(name)
        value: Any = stored
        if kind == b"stream":
            value = repr(await redis.xrange(name)).encode()
        elif kind == b"hash":
            value = repr(await redis.hgetall(name)).encode()
        if GONE.encode() in value:
            found.append(name.decode())
    return found


TABLES = ("clicks", "sessions", "late_clicks")
OTHERS = "user_id <> 'secret-person'"


def others(select: Select) -> dict[str, Any]:
    """All rows of everybody else."""
    columns = {"sessions": 'session_uid, "window", events, begin_session, end_session', "clicks": "event_id"}
    return {
        table: sorted(map(repr, select(f"SELECT {columns.get(table, '*')} FROM {table} WHERE {OTHERS}")))
        for table in TABLES
    }


def theirs(select: Select) -> dict[str, int]:
    return {table: select(f"SELECT count(*) FROM {table} WHERE NOT {OTHERS}")[0][0] for table in TABLES}


async def balanced(settings: Settings) -> None:
    found = await ledger.read(settings, None, None, window=None, site_id=None, wait_s=PATIENCE_S)
    assert (found.settled, found.differences) == (True, [])


async def rollups_are_right(settings: Settings) -> None:
    with psycopg.connect(settings.database_url) as connection:
        found = check_rollups(connection)
        assert check_days(connection).different == []
    assert found.places > 0
    assert found.differences == []


async def test_nothing_of_the_person_is_left_and_nobody_elses_numbers_change(
    start: Start, publisher: Publisher, redis: Redis, settings: Settings, select: Select, clickloom: Command
) -> None:
    services = await both(start)
    await publisher.publish(visits(0, 6 * HOUR), arrival_us=now_us())
    late = [click(0, user=user, event_id=f"late-{user}") for user in (GONE, "u1")]
    await publisher.publish(late, arrival_us=now_us())
    await publisher.reject([rejected(f'{{"user_id": "{GONE}", "x"'), rejected('{"user_id": "u1"')])
    await settled(redis, settings)
    await until(lambda: minutes_closed(select), what="all rows of the stagger window")
    before, counted = others(select), theirs(select)
    assert min(counted.values()) > 0
    assert {name.split(":")[1] for name in await names_in_redis(redis, settings)} >= {"clicks", "sessions", "state"}

    done = await clickloom("erase", "--user", GONE)
    assert done.returncode == 0, done.stderr
    assert f"erased {counted['clicks']:,} clicks" in done.stdout
    assert "2 late clicks, 1 rejected events" in done.stdout
    assert theirs(select) == dict.fromkeys(TABLES, 0)
    assert await names_in_redis(redis, settings) == []
    assert others(select) == before
    assert select("SELECT count(*) FROM rejected_events") == [(1,)]
    await balanced(settings)
    await rollups_are_right(settings)
    [(person, clicks)] = select("SELECT person, clicks FROM erasures")
    assert (is_of(person, person_of(GONE, None)), GONE in person, clicks) == (True, False, counted["clicks"])

    assert [service.stop() for service in services] == [0, 0]
    again = await both(start)
    select("UPDATE stream_cursors SET cursor = '0-0' RETURNING 1")
    await publisher.end_input(watermark_us=10**15, arrival_us=now_us())
    await settled(redis, settings)
    assert theirs(select) == dict.fromkeys(TABLES, 0)
    assert await names_in_redis(redis, settings) == []
    await balanced(settings)
    assert all(service.alive for service in again)


def rejected(payload: str) -> RejectedEvent:
    return RejectedEvent(rejected_us=now_us(), source="test", code="malformed", message="no", payload=payload.encode())


async def test_a_command_that_is_killed_anywhere_is_given_again_under_traffic(
    start: Start, publisher: Publisher, redis: Redis, settings: Settings, select: Select, clickloom: Command,
    database: "psycopg.Connection[Any]", environment: dict[str, str],
) -> None:  # fmt: skip
    """Every one that comes to its end has erased what was before it; in the end what is there is a batch's answer."""
    await both(start)
    chance, traffic = Random(3), visits(0, 9 * HOUR, seed=2)
    publishing = asyncio.create_task(publish(publisher, traffic))
    while not publishing.done():
        erasing = start("cli", "erase", "--user", GONE)
        await asyncio.sleep(0.7 + chance.random())  # anywhere in what it does
        if erasing.alive:
            erasing.kill()
    await publishing
    done = await clickloom("erase", "--user", GONE)
    assert done.returncode == 0, done.stderr
    assert theirs(select) == dict.fromkeys(TABLES, 0)
    back = [click(9 * HOUR + number, user=GONE, event_id=f"back-{number}") for number in range(3)]
    await publisher.publish(back, arrival_us=now_us())
    await publisher.end_input(watermark_us=10**15, arrival_us=now_us())
    await settled(redis, settings)
    await until(lambda: comes_back(select), what="the person's new session")
    assert theirs(select)["clicks"] == 3
    sent = {one.event_id for one in traffic if one.user_id != GONE}
    assert {event_id for (event_id,) in select(f"SELECT event_id FROM clicks WHERE {OTHERS}")} == sent
    for window in settings.parsed_windows():
        assert list(against_batch(database, window)) == []
    await balanced(settings)
    await rollups_are_right(settings)


async def minutes_closed(select: Select) -> bool:
    closed = "SELECT sum(events) FROM sessions WHERE \"window\" = 'minutes'"
    late = "SELECT count(*) FROM late_clicks WHERE \"window\" = 'minutes'"
    return select(f"SELECT ({closed}) = (SELECT count(*) FROM clicks) - ({late})") == [(True,)]


async def comes_back(select: Select) -> bool:
    return select(f"SELECT sum(events) FROM sessions WHERE NOT {OTHERS}") == [(6,)]  # under two windows


async def publish(publisher: Publisher, clicks: list[Click]) -> None:
    for first in range(0, len(clicks), 20):
        await publisher.publish(clicks[first : first + 20], arrival_us=now_us())
        await asyncio.sleep(0.15)


async def test_what_waits_for_the_archive_does_not_name_the_person_and_the_archive_becomes_what_postgres_is(
    start: Start, publisher: Publisher, redis: Redis, settings: Settings, select: Select, clickloom: Command,
    tmp_path: Path,
) -> None:  # fmt: skip
    lake = {"ARCHIVE_URL": str(tmp_path / "lake"), "ARCHIVE_SECONDS": "0.2", "ARCHIVE_ROWS": "50"}
    sessionizer, persister = start("sessionizer"), start("persister", **lake)
    await publisher.publish(visits(0, 3 * HOUR), arrival_us=now_us())
    await until(lambda: archived(select), what="some sessions to be in the archive")
    persister.stop()
    persister = start("persister")  # without it what it has to hear of waits
    await publisher.publish(visits(3 * HOUR, 6 * HOUR, seed=4), arrival_us=now_us())
    await settled(redis, settings)
    await until(lambda: minutes_closed(select), what="all rows of the stagger window")
    assert select(f"SELECT count(*) > 0 FROM session_changes WHERE NOT {OTHERS}") == [(True,)]

    done = await clickloom("erase", "--user", GONE)
    assert done.returncode == 0, done.stderr
    assert select("SELECT count(*) FROM session_changes s WHERE s::text LIKE '%secret-person%'") == [(0,)]
    persister.stop()
    start("persister", **lake)
    await until(lambda: all_archived(select), what="the archive to have heard of all")
    in_archive = ask("SELECT sum(events) FROM sessions", tmp_path / "lake")
    assert in_archive == select("SELECT sum(events) FROM sessions")
    assert sessionizer.alive


async def archived(select: Select) -> bool:
    found = "SELECT count(*) > 0 FROM archives WHERE rows_written > 0 AND \"table\" = 'sessions'"
    return select(found) == [(True,)] and await all_archived(select) and theirs(select)["sessions"] > 0


async def all_archived(select: Select) -> bool:
    return select("SELECT count(*) FROM session_changes") == [(0,)]


async def test_without_a_sessionizer_it_says_who_has_not_read_and_how_to_go_on(
    publisher: Publisher, start: Start, clickloom: Command
) -> None:
    sessionizer = start("sessionizer")
    await sessionizer.logged("partitions.taken")
    sessionizer.stop()
    said = await clickloom("erase", "--user", GONE, "--wait", "1")
    assert said.returncode == 1
    [line] = said.stderr.splitlines()
    assert "not erased yet" in line
    assert "give the command again" in line
    assert "visits" in line


async def test_what_can_be_no_user_is_said_in_one_line(clickloom: Command) -> None:
    said = await clickloom("erase", "--user", "")
    assert said.returncode == 1
    assert said.stderr.splitlines() == ["clickloom: user: '' cannot be one: 1 to 128 characters, as events have it"]


async def test_the_api_erases_a_person_of_the_sites_that_its_key_is_of(
    start: Start, publisher: Publisher, redis: Redis, settings: Settings, select: Select, clickloom: Command
) -> None:
    await both(start)
    person = [click(number, user=GONE, site_id=site) for number in range(3) for site in ("shop", "blog")]
    await publisher.publish(person, arrival_us=now_us())
    made = [await clickloom("keys", "create", "read", "--name", "a", "--site", "shop", *more)
            for more in ((), ("--scope", "admin"))]  # fmt: skip
    reader, admin = ({"authorization": f"Bearer {one.stdout.strip()}"} for one in made)
    await settled(redis, settings)
    async with asking(start("api", PORT="0", AUTH="on")) as client:
        path = f"/v1/users/{GONE}"
        assert (await client.delete(path)).status_code == 401
        assert "no scope admin" in (await client.delete(path, headers=reader)).json()["detail"]
        assert (await client.delete(path, headers=admin, params={"site_id": "blog"})).status_code == 403
        assert (await client.delete("/v1/users/" + "x" * 129, headers=admin)).status_code == 422
        answer = await client.delete(path, headers=admin)
        assert (answer.status_code, answer.json()["clicks"]) == (200, 3), answer.text
    assert select("SELECT site_id, count(*) FROM clicks GROUP BY 1") == [("blog", 3)]
    await balanced(settings)
