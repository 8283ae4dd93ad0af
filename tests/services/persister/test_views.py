"""The original system's views: its columns, and values as it wrote them."""

from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.times import MINUTE_US, SECOND_US
from clickloom.wire import FIELD, encode
from tests.clicks import batch, click
from tests.conftest import Select
from tests.services.persister.conftest import Readers, persist
from tests.sessions import changelog, session

BEGIN = 1_614_358_325.25  # 2021-02-26 16:52:05.25 UTC

PARTITIONS = ["partition_0", "partition_1", "partition_2", "partition_3"]
AGGREGATED = [
    "session_id",
    "user_id",
    "device_id",
    "timeagg",
    "events",
    "beginnavigation",
    "endnavigation",
    "beginsession",
    "endsession",
    "duration_sec",
    *PARTITIONS,
]
COLUMNS = {
    "rawdata": ["user_id", "device_id", "client_event", "client_timestamp", *PARTITIONS],
    "aggregated": AGGREGATED,
    "clicks_today": AGGREGATED,
    "clicks_month": AGGREGATED,
}


@pytest.mark.parametrize("view", COLUMNS)
async def test_a_view_has_the_originals_columns_in_their_order(select: Select, view: str) -> None:
    found = select(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position",
        view,
    )
    assert [name for (name,) in found] == COLUMNS[view]
    texts = select(
        "SELECT data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s AND column_name LIKE 'partition%%'",
        view,
    )
    assert texts == [("text",)] * 4


async def test_rawdata_shows_a_click_in_the_folder_of_its_hour_of_arrival(
    redis: Redis, keys: Keys, readers: Readers, select: Select
) -> None:
    made = click(BEGIN, event="beer_vitrine_nav")
    await redis.xadd(keys.clicks(0), {FIELD: encode(batch(made, arrival=BEGIN + 3600))})
    await persist(readers)
    at = datetime(2021, 2, 26, 16, 52, 5, 250_000, UTC)
    assert select("SELECT * FROM rawdata") == [("64", "computer", "beer_vitrine_nav", at, "2021", "02", "26", "17")]


async def test_aggregated_shows_a_row_of_the_minute_window_as_the_original_wrote_it(
    redis: Redis, keys: Keys, readers: Readers, select: Select
) -> None:
    await write_minute(redis, keys, BEGIN)
    await redis.xadd(keys.sessions("visits", 0), {FIELD: encode(changelog(session(BEGIN)))})
    await persist(readers)
    minute = datetime(2021, 2, 26, 16, 52, tzinfo=UTC)
    assert select("SELECT * FROM aggregated") == [
        (
            *("64_COM1614358320", "64", "computer", minute, 3),
            *("beer_vitrine_nav", "beer_checkout", "52:05", "52:07", 2),
            *("2021", "02", "26", "16"),
        )
    ]
    assert select("SELECT * FROM clicks_today") == select("SELECT * FROM clicks_month") == []


async def test_the_reports_query_runs_as_it_stands(redis: Redis, keys: Keys, readers: Readers, select: Select) -> None:
    [(now,)] = select("SELECT extract(epoch FROM date_trunc('minute', now()))::float8")
    for number, events in enumerate([3, 3, 2, 1]):
        await write_minute(redis, keys, now, user=str(number), events=events)
    await write_minute(redis, keys, now - 40 * 86_400, user="5", events=9)
    await persist(readers)
    report = (
        "SELECT duration_sec, count(1) sessions FROM clicks_today"
        " WHERE duration_sec > 0 GROUP BY duration_sec ORDER BY sessions DESC"
    )
    assert select(report) == [(2, 2), (1, 1)]
    assert len(select("SELECT * FROM clicks_month")) == 4
    assert len(select("SELECT * FROM aggregated")) == 5


@pytest.mark.parametrize(("view", "unit"), [("clicks_today", "day"), ("clicks_month", "month")])
async def test_a_view_of_today_or_this_month_has_exactly_its_rows(
    redis: Redis, keys: Keys, readers: Readers, select: Select, view: str, unit: str
) -> None:
    [(begin, end)] = select(
        f"SELECT extract(epoch FROM begin)::float8, extract(epoch FROM begin + interval '1 {unit}')::float8"
        f" FROM date_trunc('{unit}', now() AT TIME ZONE 'UTC') AS begin"
    )
    for user, moment in (("before", begin - 60), ("first", begin), ("last", end - 60), ("after", end)):
        await write_minute(redis, keys, moment, user=user)
    await persist(readers)
    assert select(f"SELECT user_id FROM {view} ORDER BY timeagg") == [("first",), ("last",)]


async def write_minute(redis: Redis, keys: Keys, begin: float, *, user: str = "64", events: int = 3) -> None:
    """A row of the minute window that begins then."""
    begin_us = round(begin * SECOND_US)
    timeagg_us = begin_us - begin_us % MINUTE_US
    row = session(begin, user=user, window="minutes", events=events, timeagg_us=timeagg_us, closed_by="range")
    await redis.xadd(keys.sessions("minutes", 0), {FIELD: encode(changelog(row))})
