"""Rollups are what a recount of sessions gives, whatever happens to the changelog; and the check finds what is not."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from typer.testing import CliRunner

from clickloom.durations import BOUNDS_S, CLASSES, class_of, quantile
from clickloom.keys import Keys
from clickloom.session import Session
from clickloom.settings import Settings
from clickloom.streams import START
from clickloom.wire import FIELD, encode
from services.cli.__main__ import app
from services.persister.recount import Check, check_rollups
from tests.conftest import Select
from tests.services.persister.conftest import NewReaders, Readers, persist
from tests.services.persister.test_reader import disorderly_visits
from tests.sessions import changelog, session

DAY = 1_614_297_600  # 26 February 2021, 00:00 UTC


@pytest.fixture
def check(settings: Settings) -> Callable[[], Check]:
    def check() -> Check:
        with psycopg.connect(settings.database_url) as connection:
            return check_rollups(connection)

    return check


@given(st.integers(0, 10**7))
def test_a_duration_is_in_the_class_whose_bounds_are_around_it(duration_sec: int) -> None:
    number = class_of(duration_sec)
    assert BOUNDS_S[number] <= duration_sec
    assert number + 1 == CLASSES or duration_sec < BOUNDS_S[number + 1]


@given(st.lists(st.integers(0, 86_400), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_at_most_a_tenth_from_the_true_one(durations: list[int], share: float) -> None:
    counts = [0] * CLASSES
    for duration in durations:
        counts[class_of(duration)] += 1
    at = next(n for n in range(1, len(durations) + 1) if n >= share * len(durations))
    true = sorted(durations)[at - 1]
    found = quantile(counts, share)
    assert found is not None
    assert abs(found - true) <= 0.1 * true


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile([0] * CLASSES, 0.5) is None


async def write(redis: Redis, keys: Keys, readers: Readers, *plus: Session, minus: tuple[Session, ...] = ()) -> None:
    await redis.xadd(keys.sessions("visits", 1), {FIELD: encode(changelog(*plus, minus=minus))})
    await persist(readers)


async def test_a_place_adds_up_its_sessions_and_gives_back_what_is_revoked(
    redis: Redis, keys: Keys, readers: Readers, select: Select, check: Callable[[], Check]
) -> None:
    first = session(DAY + 299, events=3)
    second = session(DAY + 1, user="65", events=31, converted=True, orders=2, revenue=Decimal("12.50"), bounced=False)
    other = session(DAY + 300, events=5)
    await write(redis, keys, readers, first, second, other)
    columns = "sessions, events, duration_sec, bounces, conversions, orders, revenue"
    query = f"SELECT extract(epoch FROM bucket)::int - {DAY}, {columns} FROM session_rollups ORDER BY 1"
    assert select(query) == [(0, 2, 34, 32, 1, 1, 2, Decimal("12.50")), (300, 1, 5, 4, 1, 0, 0, 0)]
    [(durations,)] = select("SELECT durations FROM session_rollups ORDER BY bucket LIMIT 1")
    assert {number: count for number, count in enumerate(durations) if count} == {class_of(2): 1, class_of(30): 1}

    await write(redis, keys, readers, session(DAY + 299, version=2, events=4), minus=(first, other))
    assert select(query) == [(0, 2, 35, 33, 1, 1, 2, Decimal("12.50"))]
    assert (check().different, check().places, check().sessions) == (0, 1, 2)


async def test_an_older_entry_that_is_read_again_neither_takes_back_nor_replaces_a_newer_row(
    redis: Redis, keys: Keys, new_readers: NewReaders, select: Select, check: Callable[[], Check]
) -> None:
    first, second = session(DAY, events=1), session(DAY, version=2, events=2)
    readers = new_readers()
    await write(redis, keys, readers, first)
    await write(redis, keys, readers, second, minus=(first,))
    before = select("SELECT ctid, * FROM sessions")
    stream = keys.sessions("visits", 1)
    last: Any = await redis.xrevrange(stream, count=1)
    await redis.xdel(stream, last[0][0])  # only the older one is there to be read again
    select("UPDATE stream_cursors SET cursor = %s WHERE stream = %s RETURNING 1", START, stream)
    await persist(new_readers())
    assert select("SELECT ctid, * FROM sessions") == before
    assert check().different == 0


async def test_reading_every_stream_again_in_other_portions_moves_no_rollup(
    redis: Redis,
    keys: Keys,
    settings: Settings,
    new_readers: NewReaders,
    select: Select,
    check: Callable[[], Check],
) -> None:
    await disorderly_visits(redis, keys, settings)
    await persist(new_readers())
    rollups = "SELECT * FROM session_rollups ORDER BY session_rollups::text"
    before = select(rollups)
    assert before
    select("UPDATE stream_cursors SET cursor = %s RETURNING 1", START)
    for reader in new_readers().values():
        reader._buffer_rows = 1
        while await reader.step():
            assert check().different == 0
    assert select(rollups) == before
    assert check().different == 0


CHANGES = {
    "a session is gone": ("DELETE FROM sessions WHERE user_id = '65'", "sessions"),
    "a session is longer": ("UPDATE sessions SET duration_sec = 7 WHERE user_id = '65'", "durations"),
    "a rollup is gone": ("DELETE FROM session_rollups", "revenue"),
    "a rollup has another sum": ("UPDATE session_rollups SET bounces = bounces + 1", "bounces"),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_the_command_shows_what_differs_and_ends_with_1(
    redis: Redis,
    keys: Keys,
    readers: Readers,
    database: "psycopg.Connection[tuple[Any, ...]]",
    environment: dict[str, str],
    name: str,
) -> None:
    await write(redis, keys, readers, session(DAY), session(DAY + 1, user="65", revenue=Decimal(1)))
    balanced = CliRunner().invoke(app, ["check", "rollups"], env={**environment, "COLUMNS": "200"})
    assert (balanced.exit_code, "1 rollups of 2 sessions" in balanced.output) == (0, True)
    statement, column = CHANGES[name]
    database.execute(statement.encode())
    found = CliRunner().invoke(app, ["check", "rollups"], env={**environment, "COLUMNS": "200"})
    assert found.exit_code == 1
    assert column in " ".join(found.output.split())
    assert "2021-02-26 00:00" in " ".join(found.output.split())
