"""The archive holds what the tables hold: all of it, once, and of a session its newest row."""

import threading
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from clickloom.database import libpq_url
from clickloom.errors import InvalidSetting, ServerUnavailable
from clickloom.keys import Keys
from clickloom.lake.hours import Connection
from clickloom.lake.places import Folder
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.wire import FIELD, encode
from services.persister.archiver import SESSION_SETTINGS, Archiver
from services.persister.partitions import Connection as AsyncConnection
from services.persister.retention import Retention, drop_expired
from tests.clicks import click
from tests.conftest import Select
from tests.lake.reading import ask
from tests.services.persister.conftest import Readers, persist
from tests.sessions import changelog, session

DAY = 1_614_297_600  # 26 February 2021, 00:00 UTC

ALL_SESSIONS = 'SELECT session_uid::text, version, events, path::text, "window" FROM sessions ORDER BY 1'
ALL_CLICKS = (
    'SELECT "partition", entry_ms, entry_seq, entry_row, event_id, client_event FROM clicks ORDER BY 1, 2, 3, 4'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    url = libpq_url(database_url, application_name="clickloom-archive", session=SESSION_SETTINGS)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def archiver(settings: Settings, folder: Path) -> Archiver:
    return Archiver(settings.database_url, Folder(folder), seconds=0.000_001, rows=100)


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.parquet"))


def archive(archiver: Archiver, connection: Connection) -> None:
    """Write everything that waits."""
    while archiver.step(connection):
        pass


async def publish(redis: Redis, keys: Keys, settings: Settings, count: int, *, first: int = 0) -> None:
    """Clicks over three hours of arrival, each with what can come with it."""
    publisher = Publisher(redis, keys=keys, partitions=settings.partitions)
    for number in range(first, first + count):
        made = click(
            DAY + number,
            user=str(number % 7),
            revenue=Decimal("1.25"),
            properties={"a": ["\n", '"', None]},
            page_url="",
        )
        await publisher.publish([made], arrival_us=(DAY + number * 3 * 3600 // count) * 1_000_000)


def assert_same(select: Select, folder: Path, query: str) -> list[tuple[Any, ...]]:
    stored = select(query.replace("path::text", "replace(path::text, ',', ', ')"))
    found = ask(query, folder)
    assert [tuple(map(_plain, row)) for row in found] == [tuple(map(_plain, row)) for row in stored]
    return stored


def _plain(value: object) -> object:
    return value.translate(str.maketrans("{}", "[]")) if isinstance(value, str) else value


async def test_clicks_of_before_and_of_later_are_in_the_archive_once(
    redis: Redis,
    keys: Keys,
    settings: Settings,
    readers: Readers,
    archiver: Archiver,
    connection: Connection,
    folder: Path,
    select: Select,
) -> None:
    await publish(redis, keys, settings, 250)
    await persist(readers)
    archive(archiver, connection)
    assert len(assert_same(select, folder, ALL_CLICKS)) == 250
    await publish(redis, keys, settings, 30, first=250)
    await persist(readers)
    archive(archiver, connection)
    assert len(assert_same(select, folder, ALL_CLICKS)) == 280
    for query in (
        "SELECT count(*), sum(revenue), min(arrived_at), max(client_timestamp) FROM clicks",
        "SELECT DISTINCT properties::text, page_url, referrer, experiments::text FROM clicks",
    ):
        assert ask(query, folder) == select(query)
    assert ask("SELECT DISTINCT year, month, day, hour FROM clicks WHERE day = 26 ORDER BY hour", folder) == [
        (2021, 2, 26, hour) for hour in (0, 1, 2)
    ]


async def test_a_session_that_is_revised_joined_or_taken_back_is_there_as_in_the_table(
    redis: Redis,
    keys: Keys,
    readers: Readers,
    archiver: Archiver,
    connection: Connection,
    folder: Path,
    select: Select,
) -> None:
    async def commit(*plus: Any, minus: Any = ()) -> None:
        await redis.xadd(keys.sessions("visits", 1), {FIELD: encode(changelog(*plus, minus=minus))})
        await persist(readers)

    before, early, late = session(DAY - 9999), session(DAY, events=3), session(DAY + 3000, events=2)
    await commit(before, early, late)  # there is no archive yet
    archive(archiver, connection)
    assert len(assert_same(select, folder, ALL_SESSIONS)) == 3
    joined = session(DAY, version=2, events=9)
    await commit(joined, minus=(early, late))
    assert len(ask(ALL_SESSIONS, folder)) == 3, "nothing is archived before it is written"
    archive(archiver, connection)
    assert [row[1:3] for row in assert_same(select, folder, ALL_SESSIONS)].count((2, 9)) == 1
    await commit(minus=(joined,))
    await commit(session(DAY, events=4))
    await commit(minus=(before,))
    archive(archiver, connection)
    assert [row[1:3] for row in assert_same(select, folder, ALL_SESSIONS)] == [(1, 4)]
    assert select("SELECT count(*) FROM session_changes") == [(0,)]


async def test_reading_the_streams_again_archives_no_click_twice_and_leaves_each_session(
    redis: Redis,
    keys: Keys,
    settings: Settings,
    new_readers: Any,
    archiver: Archiver,
    connection: Connection,
    folder: Path,
    select: Select,
) -> None:
    await publish(redis, keys, settings, 20)
    await redis.xadd(keys.sessions("visits", 1), {FIELD: encode(changelog(session(DAY), session(DAY + 9999)))})
    await persist(new_readers())
    archive(archiver, connection)
    select("UPDATE stream_cursors SET cursor = '0-0' RETURNING 1")
    await persist(new_readers())
    archive(archiver, connection)
    assert len(assert_same(select, folder, ALL_CLICKS)) == 20
    assert len(assert_same(select, folder, ALL_SESSIONS)) == 2


async def test_a_plan_that_was_left_is_written_again_under_the_same_names(
    redis: Redis,
    keys: Keys,
    settings: Settings,
    readers: Readers,
    archiver: Archiver,
    connection: Connection,
    folder: Path,
    select: Select,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await publish(redis, keys, settings, 60)
    await redis.xadd(keys.sessions("visits", 1), {FIELD: encode(changelog(session(DAY)))})
    archive(archiver, connection)
    await persist(readers)
    for table in archiver._tables:
        monkeypatch.setattr(table, "settle", lambda *_: connection.execute("SELECT 1 / 0"))
        with pytest.raises(psycopg.errors.DivisionByZero):  # as killed behind the files
            archiver._step(connection, table)
    left = {found: found.read_bytes() for found in files(folder)}
    assert len(left) == 4
    await publish(redis, keys, settings, 60, first=60)
    await persist(readers)
    monkeypatch.undo()
    archive(archiver, connection)
    assert {found: found.read_bytes() for found in left} == left
    assert len(assert_same(select, folder, ALL_CLICKS)) == 120
    assert len(assert_same(select, folder, ALL_SESSIONS)) == 1


SESSION = """
INSERT INTO sessions (session_uid, begin_session, end_session, timeagg, duration_sec, events, orders, version, told_ms,
    told_seq, rollbacks, path_truncated, converted, bounced, "window", site_id, user_id, device_id, device_type,
    session_id, begin_navigation, end_navigation, closed_by, revenue, path, path_offsets_us)
VALUES (gen_random_uuid(), now(), now(), now(), 0, 1, 0, 1, 0, 0, 0, false, false, false, 'visits', 's', 'u', 'd',
    'other', 'i', 'a', 'a', 'gap', 0, '{a}', '{0}')
"""


def test_an_archive_that_begins_waits_for_a_commit_that_is_on_its_way(
    archiver: Archiver, connection: Connection, database_url: str, folder: Path, select: Select
) -> None:
    with psycopg.connect(database_url) as late:
        late.execute(SESSION)
        beginning = threading.Thread(target=archive, args=(archiver, connection))
        beginning.start()
        while not select(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%note_sessions%'"
        ):
            pass
    beginning.join()
    assert len(assert_same(select, folder, ALL_SESSIONS)) == 1


def test_what_is_changed_by_hand_is_changed_in_the_archive(
    archiver: Archiver, connection: Connection, folder: Path, select: Select
) -> None:
    archive(archiver, connection)
    for _ in range(3):
        select(f"{SESSION} RETURNING 1")
    select("UPDATE sessions SET events = 7 WHERE session_uid = (SELECT session_uid FROM sessions LIMIT 1) RETURNING 1")
    select("DELETE FROM sessions WHERE session_uid = (SELECT max(session_uid::text)::uuid FROM sessions) RETURNING 1")
    archive(archiver, connection)
    assert len(assert_same(select, folder, ALL_SESSIONS)) == 2


async def test_retention_drops_no_click_that_is_not_archived(
    redis: Redis,
    keys: Keys,
    settings: Settings,
    readers: Readers,
    archiver: Archiver,
    connection: Connection,
    folder: Path,
    select: Select,
    pool: "AsyncConnectionPool[AsyncConnection]",
) -> None:
    async def dropped() -> list[str]:
        async with pool.connection() as dropping:
            retention = Retention({"clicks": 1, "sessions": 1})
            return [one.name for one in await drop_expired(dropping, retention, date(2021, 6, 1))]

    archive(archiver, connection)
    await publish(redis, keys, settings, 20)
    await redis.xadd(keys.sessions("visits", 1), {FIELD: encode(changelog(session(DAY)))})
    await persist(readers)
    assert await dropped() == ["sessions_202102"]
    archive(archiver, connection)
    assert await dropped() == ["clicks_20210226"]
    archive(archiver, connection)
    assert ask("SELECT (SELECT count(*) FROM clicks), (SELECT count(*) FROM sessions)", folder) == [(20, 1)]


async def test_little_that_has_not_waited_for_long_waits_on(
    redis: Redis, keys: Keys, settings: Settings, readers: Readers, connection: Connection, folder: Path
) -> None:
    patient = Archiver(settings.database_url, Folder(folder), seconds=3600, rows=30)
    await publish(redis, keys, settings, 29)
    await persist(readers)
    archive(patient, connection)
    assert not files(folder)
    await publish(redis, keys, settings, 1, first=29)
    await persist(readers)
    archive(patient, connection)
    assert ask("SELECT count(*) FROM clicks", folder) == [(30,)]


def test_another_place_and_one_that_is_not_empty_are_refused(
    settings: Settings, connection: Connection, archiver: Archiver, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    (full / "clicks").mkdir(parents=True)
    (full / "clicks" / "a").write_bytes(b"")
    with pytest.raises(InvalidSetting, match="holds files already, of which this database knows nothing"):
        Archiver(settings.database_url, Folder(full), seconds=1, rows=1).step(connection)
    archiver.step(connection)
    with pytest.raises(InvalidSetting, match=r"but the archive of this database is in .*: set that again, or end it"):
        Archiver(settings.database_url, Folder(tmp_path / "other"), seconds=1, rows=1).step(connection)


def test_only_one_archiver_has_the_lock(archiver: Archiver, connection: Connection, database_url: str) -> None:
    assert archiver._has_lock(connection)
    assert archiver._has_lock(connection)
    with psycopg.connect(database_url, autocommit=True) as other:
        assert not archiver._has_lock(other)
        connection.close()
        while not archiver._has_lock(other):
            pass


def test_without_an_archive_no_change_is_kept(select: Select) -> None:
    assert select("SELECT (SELECT count(*) FROM archives), (SELECT count(*) FROM session_changes)") == [(0, 0)]


def test_the_changes_have_the_columns_of_the_sessions(select: Select) -> None:
    columns = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s ORDER BY 1"
    more = {("change", "bigint"), ("revoked", "boolean")}
    assert set(select(columns, "session_changes")) == set(select(columns, "sessions")) | more


def test_a_place_that_cannot_be_written_is_said_and_leaves_the_plan(
    connection: Connection, archiver: Archiver, folder: Path, select: Select
) -> None:
    archive(archiver, connection)
    folder.write_bytes(b"")  # no folder
    select("INSERT INTO stream_cursors (stream, cursor, updated_at) VALUES ('clicks:{0}', '2000-0', now()) RETURNING 1")
    select(
        "INSERT INTO clicks (arrived_at, entry_ms, entry_seq, partition, entry_row, client_timestamp, is_bot, event_id,"
        " site_id, user_id, device_id, device_type, client_event)"
        " VALUES (now(), 1000, 0, 0, 0, now(), false, 'e', 's', 'u', 'd', 'other', 'a') RETURNING 1"
    )
    with pytest.raises(ServerUnavailable, match="cannot be written"):
        archiver.step(connection)
    assert select("SELECT plan FROM archives WHERE \"table\" = 'clicks'") == [([[0, 0, 0, 2000, 0]],)]
    folder.unlink()
    archive(archiver, connection)
    assert ask("SELECT count(*) FROM clicks", folder) == [(1,)]
