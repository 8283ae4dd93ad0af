"""Retention: what is old is gone, and what is left still balances."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from redis.asyncio import Redis
from typer.testing import CliRunner

from clickloom.errors import InvalidSetting
from clickloom.keys import Keys
from clickloom.settings import Settings, load_settings
from clickloom.times import from_datetime
from clickloom.wire import FIELD, encode
from services.cli.__main__ import app
from services.persister.partitions import ahead
from services.persister.recount import check_rollups
from services.persister.retention import Expired, Retention, drop_expired
from services.persister.upkeep import keep_up_once
from tests.clicks import batch, click
from tests.conftest import Select
from tests.services.persister.conftest import NewReaders, Readers, persist
from tests.services.persister.test_ledger import Pipeline, pipeline, read, traffic
from tests.sessions import changelog, session

__all__ = ["pipeline", "read"]  # fixtures

TODAY = datetime.now(UTC).date()
OLD = ("clicks", "late_clicks", "rejected_events", "sessions")


async def drop(settings: Settings, days: dict[str, int], today: date = TODAY) -> list[Expired]:
    async with await psycopg.AsyncConnection.connect(settings.database_url) as connection:
        return await drop_expired(connection, Retention(days), today)


@pytest.mark.parametrize("table", OLD)
async def test_what_is_left_balances_whatever_was_dropped(
    pipeline: Pipeline, readers: Readers, read: Callable[..., Any], select: Select, settings: Settings, table: str
) -> None:
    await traffic(pipeline)
    await persist(readers)
    before = await read()
    assert before.balanced
    dropped = await drop(settings, {table: 30}, TODAY + timedelta(days=365))
    assert {one.table for one in dropped} == {table}
    assert select(f"SELECT count(*) FROM {table}") == [(0,)]
    [(rows,)] = select("SELECT sum(rows)::int FROM dropped_rows WHERE table_name = %s", table)
    assert rows > 0
    found = await read()
    assert (found.balanced, found.differences) == (True, [])
    for window, earlier in zip(found.windows, before.windows, strict=True):
        assert window.ever_in_sessions == earlier.ever_in_sessions
    with psycopg.connect(settings.database_url) as connection:
        assert check_rollups(connection).different == 0
    assert select("SELECT sum(sessions) > 0 FROM session_rollups") == [(True,)]


async def test_only_whole_days_and_months_that_are_old_enough_are_dropped(
    redis: Redis, keys: Keys, settings: Settings, readers: Readers, select: Select
) -> None:
    for days in (0, 9, 10, 11, 60):
        moment = from_datetime(datetime.combine(TODAY - timedelta(days=days), datetime.min.time(), UTC)) / 1e6
        await redis.xadd(keys.clicks(0), {FIELD: encode(batch(click(1e9), arrival=moment))})
        await redis.xadd(keys.sessions("visits", 0), {FIELD: encode(changelog(session(moment)))})
    await redis.xadd(keys.clicks(0), {FIELD: encode(batch(click(1e9), arrival=0))})
    await redis.xadd(keys.sessions("visits", 0), {FIELD: encode(changelog(session(0)))})
    await persist(readers)
    dropped = await drop(settings, {"clicks": 10, "sessions": 10, "session_rollups": 10})
    assert [one.name for one in dropped if one.table == "clicks"] == [
        *(f"clicks_{TODAY - timedelta(days=days):%Y%m%d}" for days in (60, 11)),
        "clicks_default",
    ]
    assert select("SELECT count(*) FROM clicks") == [(3,)]
    first = (TODAY - timedelta(days=10)).replace(day=1)
    [(oldest, rows)] = select("SELECT min(begin_session)::date, count(*) FROM sessions")
    assert oldest >= first
    assert 3 <= rows <= 4
    assert select("SELECT sum(sessions)::int FROM session_rollups") == [(rows,)]
    assert await drop(settings, {"clicks": 10, "sessions": 10, "session_rollups": 10}) == []


async def test_several_at_once_drop_everything_once(
    pipeline: Pipeline, readers: Readers, read: Callable[..., Any], select: Select, settings: Settings
) -> None:
    await traffic(pipeline)
    await persist(readers)
    counts: dict[str, int] = dict(
        select(" UNION ALL ".join(f"SELECT '{table}', count(*)::int FROM {table}" for table in OLD))
    )
    future = TODAY + timedelta(days=365)
    await asyncio.gather(*(drop(settings, dict.fromkeys(OLD, 30), future) for _ in range(4)))
    await drop(settings, dict.fromkeys(OLD, 30), future)
    assert dict(select("SELECT table_name, sum(rows)::int FROM dropped_rows GROUP BY 1")) == counts
    assert (await read()).balanced


async def test_sessions_that_are_read_again_after_they_were_dropped_do_not_hurt_the_check(
    pipeline: Pipeline, new_readers: NewReaders, select: Select, settings: Settings
) -> None:
    await traffic(pipeline)
    await persist(new_readers())
    await drop(settings, {"sessions": 30}, TODAY + timedelta(days=365))
    select("UPDATE stream_cursors SET cursor = '0-0' RETURNING 1")
    await persist(new_readers())
    with psycopg.connect(settings.database_url) as connection:
        assert check_rollups(connection).different == 0


async def test_partitions_are_made_ahead_and_again_without_harm(settings: Settings, select: Select) -> None:
    at = datetime(2021, 1, 31, 23, 59, tzinfo=UTC)
    async with await psycopg.AsyncConnection.connect(settings.database_url) as connection:
        for _ in range(2):
            await keep_up_once(connection, Retention({}), at)
    made = {name for (name,) in select("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent > 0")}
    wanted = {one.name for one in ahead(at.date())}
    assert wanted <= made
    assert {
        "clicks_20210131",
        "clicks_20210202",
        "sessions_202101",
        "sessions_202103",
        "late_clicks_20210201",
    } <= wanted


async def test_the_command_shows_what_it_would_drop_and_then_drops_it(
    redis: Redis, keys: Keys, readers: Readers, select: Select, environment: dict[str, str]
) -> None:
    await redis.xadd(keys.clicks(0), {FIELD: encode(batch(click(1e9)))})
    await persist(readers)
    settings = {**environment, "COLUMNS": "200", "CLICKS_RETENTION_DAYS": "30"}

    async def run(*options: str) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["retention", *options], env=settings)
        assert result.exit_code == 0, result.output
        return result.output

    shown = await run("--dry-run")
    assert "clicks_20010909" in shown
    assert "kept: clicks 30 days" in shown
    assert select("SELECT count(*) FROM clicks") == [(1,)]
    assert "clicks_20010909" in await run()
    assert select("SELECT count(*) FROM clicks") == [(0,)]
    assert "nothing is older" in await run()


def test_rollups_that_would_go_before_their_sessions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_ROLLUPS_RETENTION_DAYS", "30")
    with pytest.raises(InvalidSetting, match="set SESSIONS_RETENTION_DAYS to 30 or less"):
        load_settings()
    monkeypatch.setenv("SESSIONS_RETENTION_DAYS", "30")
    assert load_settings().retention_days() == {"sessions": 30, "session_rollups": 30}
