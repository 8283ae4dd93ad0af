"""Breakdowns of days are what a recount gives, or do not count; and whoever changes a day's sessions says so."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.erased import delete_rows
from clickloom.keys import Keys, Person
from clickloom.session import Session, Touch
from clickloom.settings import Settings
from clickloom.visitor_sketch import estimate
from services.persister import day_counter
from services.persister.day_check import DaysCheck, check_days
from services.persister.day_counter import Day, count, due
from services.persister.partitions import Connection
from services.persister.retention import Retention, drop_expired
from tests.conftest import Select
from tests.services.persister.conftest import Readers
from tests.services.persister.test_rollups import DAY, write
from tests.sessions import session

TODAY = datetime(2021, 2, 26, tzinfo=UTC).date()
NOW = datetime(2021, 2, 28, tzinfo=UTC)

Later = Callable[..., Awaitable[list[Day]]]


@pytest.fixture
async def connection(settings: Settings) -> Any:
    async with await psycopg.AsyncConnection.connect(settings.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def count_due(connection: Connection) -> Later:
    async def count_due() -> list[Day]:
        """As if nothing had changed for long."""
        days = await due(connection, datetime.now(UTC) + timedelta(hours=1))
        return [day for day in days if await count(connection, day)]

    return count_due


@pytest.fixture
def check(settings: Settings) -> Callable[[], DaysCheck]:
    def check() -> DaysCheck:
        with psycopg.connect(settings.database_url) as connection:
            return check_days(connection)

    return check


def visits(number: int) -> list[Session]:
    touch = Touch(entry_url="https://shop.example/beer", experiments={"button": "red"})
    return [session(DAY + 60 * at, user=f"u{at}", events=at % 5 + 1, touch=touch) for at in range(number)]


COUNTS = """
SELECT dimension, hours, sum(sessions)::int FROM breakdowns WHERE dimension IN ('', 'entry_page', 'experiment:button')
GROUP BY 1, 2 ORDER BY 1, 2
"""


async def test_a_day_is_counted_when_it_has_come_to_rest(
    redis: Redis, keys: Keys, readers: Readers, select: Select, connection: Connection, count_due: Later
) -> None:
    await write(redis, keys, readers, *visits(100))
    assert await due(connection, datetime.now(UTC)) == []
    assert await count_due() == [Day("visits", "default", TODAY)]
    assert select(COUNTS) == [("", 1, 100), ("", 24, 100), ("entry_page", 24, 100), ("experiment:button", 24, 100)]
    assert await count_due() == []


async def test_a_day_that_is_not_over_is_not_counted(
    redis: Redis, keys: Keys, readers: Readers, connection: Connection
) -> None:
    await write(redis, keys, readers, *visits(1))
    assert await due(connection, datetime(2021, 2, 26, 23, tzinfo=UTC), quiet_s=-1e9) == []


async def test_a_session_that_changes_in_nothing_that_is_summed_changes_the_day(
    redis: Redis, keys: Keys, readers: Readers, select: Select, count_due: Later, check: Callable[[], DaysCheck]
) -> None:
    before, after = session(DAY), session(DAY, version=2, touch=Touch(entry_url="/beer"))
    await write(redis, keys, readers, before)
    await count_due()
    await write(redis, keys, readers, after, minus=(before,))
    assert select("SELECT counted <> changed FROM breakdown_days") == [(True,)]
    assert len(await count_due()) == 1
    assert select("SELECT value FROM breakdowns WHERE dimension = 'entry_page'") == [("/beer",)]
    assert check() == DaysCheck(1, [])


async def test_a_day_that_changes_while_it_is_counted_is_not_counted(
    redis: Redis, keys: Keys, readers: Readers, select: Select, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(redis, keys, readers, *visits(10))
    seen = day_counter._rows

    async def rows(*arguments: Any) -> list[Any]:
        found = await seen(*arguments)
        if arguments[1] == day_counter._CHANGED:
            await write(redis, keys, readers, session(DAY + 1, user="late"))
        return found

    monkeypatch.setattr(day_counter, "_rows", rows)
    assert not await count(connection, Day("visits", "default", TODAY))
    assert select("SELECT changed, counted FROM breakdown_days") == [(2, 0)]
    assert select("SELECT count(*) FROM breakdowns") == [(0,)]


CHANGES = {
    "a session is gone": "DELETE FROM sessions WHERE user_id = 'u7'",
    "a session has another page": "UPDATE sessions SET entry_url = '/' WHERE user_id = 'u7'",
    "a breakdown is gone": "DELETE FROM breakdowns WHERE dimension = 'entry_page'",
    "a sum is another": "UPDATE breakdowns SET revenue = 1 WHERE dimension = ''",
    "nobody noted the day": "DELETE FROM breakdown_days",
}


@pytest.mark.parametrize("name", CHANGES)
async def test_the_check_finds_the_day_that_is_not_what_a_recount_gives(
    redis: Redis,
    keys: Keys,
    readers: Readers,
    database: "psycopg.Connection[tuple[Any, ...]]",
    count_due: Later,
    check: Callable[[], DaysCheck],
    name: str,
) -> None:
    await write(redis, keys, readers, *visits(10), session(DAY + 86_400))
    await count_due()
    assert check() == DaysCheck(2, [])
    database.execute(CHANGES[name].encode())
    assert Day("visits", "default", TODAY) in check().different


async def test_a_dimension_of_too_many_values_is_left_out(
    redis: Redis,
    keys: Keys,
    readers: Readers,
    select: Select,
    count_due: Later,
    check: Callable[[], DaysCheck],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        day_counter, "_TOO_MANY", day_counter._TOO_MANY.replace("> 2000", "> 3").replace("> 100", "> 1")
    )
    pages = [Touch(entry_url=f"/{number}", experiments={f"e{number}": "a"}) for number in range(4)]
    await write(redis, keys, readers, *(session(DAY + at, touch=touch) for at, touch in enumerate(pages)))
    await count_due()
    [(left_out,)] = select("SELECT left_out FROM breakdown_days")
    assert sorted(left_out) == ["entry_page", "experiment:"]
    assert select("SELECT count(*) FROM breakdowns WHERE dimension ~ 'entry_page|experiment'") == [(0,)]
    assert check() == DaysCheck(1, [])


async def test_breakdowns_outlive_their_sessions_and_go_with_the_rollups(
    redis: Redis, keys: Keys, readers: Readers, select: Select, connection: Connection, count_due: Later
) -> None:
    await write(redis, keys, readers, *visits(10))
    await count_due()
    today = (datetime.now(UTC)).date()
    await drop_expired(connection, Retention({"sessions": 1}), today)
    assert select("SELECT count(*) FROM sessions") == [(0,)]
    await write(redis, keys, readers, session(DAY, user="late"))
    assert await count_due() == [], "it would be counted of what is left"
    assert select(COUNTS)[0] == ("", 1, 10)
    await drop_expired(connection, Retention({"session_rollups": 1}), today)
    assert select("SELECT (SELECT count(*) FROM breakdowns), (SELECT count(*) FROM breakdown_days)") == [(0, 0)]


async def test_of_an_erased_person_no_breakdown_tells_from_that_moment_on(
    redis: Redis,
    keys: Keys,
    readers: Readers,
    select: Select,
    engine: AsyncEngine,
    count_due: Later,
    check: Callable[[], DaysCheck],
) -> None:
    telling = Touch(entry_url="/users/gone")
    await write(redis, keys, readers, *visits(10), session(DAY, user="gone", touch=telling), session(DAY + 86_400))
    await count_due()
    erased = await delete_rows(engine, Person(None, "gone"), {0: (0, 0)}, [], deadline=time.monotonic() + 10)
    assert erased.sessions == 1
    assert select("SELECT DISTINCT bucket::date::text FROM breakdowns") == [("2021-02-27",)]
    assert await count_due() == [Day("visits", "default", TODAY)]
    assert select("SELECT count(*) FROM breakdowns WHERE value LIKE '%gone%'") == [(0,)]
    assert select(COUNTS)[1] == ("", 24, 11)
    assert check() == DaysCheck(2, [])


async def test_sketches_together_tell_how_many_visitors_there_are(
    redis: Redis, keys: Keys, readers: Readers, select: Select, count_due: Later
) -> None:
    some = [session(DAY + number, user=f"u{number % 1_500}", revenue=Decimal(1)) for number in range(3_000)]
    await write(redis, keys, readers, *some)
    await count_due()
    for hours in (1, 24):
        sketches = [
            sketch
            for (sketch,) in select("SELECT visitors FROM breakdowns WHERE hours = %s AND visitors IS NOT NULL", hours)
        ]
        assert estimate(sketches) == pytest.approx(1_500, rel=0.05)
    assert estimate([]) == 0
