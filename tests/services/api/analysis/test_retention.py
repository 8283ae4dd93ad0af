"""`POST /v1/retention`, held against going through everything by hand."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from httpx import AsyncClient

from clickloom.times import SECOND_US, to_datetime
from tests.services.api.analysis.brute_force import retention
from tests.services.api.analysis.test_funnels import path
from tests.services.api.conftest import Keep
from tests.services.api.ingest.test_native import problem

MONDAY = 1_614_556_800  # 2021-03-01
DAY_S = 86_400


async def ask(api: AsyncClient, *, begin: str = "2021-03-01", end: str = "2021-03-28", **asked: Any) -> list[Any]:
    answer = await api.post("/v1/retention", json={"date_range": [begin, end], **asked})
    assert answer.status_code == 200, answer.text
    return [(one["cohort"], one["size"], one["returned"]) for one in answer.json()["cohorts"]]


async def test_users_are_of_the_week_of_their_first_session_and_come_back_in_later_ones(
    api: AsyncClient, keep: Keep
) -> None:
    await keep(
        path(MONDAY, "a", user="1"), path(MONDAY + 8 * DAY_S, "a", user="1"), path(MONDAY + 9 * DAY_S, "a", user="1"),
        path(MONDAY + 6 * DAY_S, "a", user="2"), path(MONDAY + 21 * DAY_S, "b", user="2"),
        path(MONDAY + 7 * DAY_S, "a", user="3"),
    )  # fmt: skip
    assert await ask(api) == [("2021-03-01", 2, [2, 1, 0, 1]), ("2021-03-08", 1, [1, 0, 0])]
    assert await ask(api, periods=1) == [("2021-03-01", 2, [2, 1]), ("2021-03-08", 1, [1, 0])]
    by_event = await ask(api, returning_event="b")
    assert by_event == [("2021-03-01", 2, [0, 0, 0, 1]), ("2021-03-08", 1, [0, 0, 0])]


async def test_who_was_there_before_the_range_is_new_only_if_the_range_is_all_that_counts(
    api: AsyncClient, keep: Keep
) -> None:
    await keep(path(MONDAY - 60 * DAY_S, "a", user="1"), path(MONDAY, "a", user="1"), path(MONDAY, "a", user="2"))
    assert await ask(api, end="2021-03-01") == [("2021-03-01", 1, [1])]
    assert await ask(api, end="2021-03-01", first="range") == [("2021-03-01", 2, [2])]


async def test_one_id_on_two_sites_is_two_users(api: AsyncClient, keep: Keep) -> None:
    await keep(path(MONDAY, "a", user="1"), path(MONDAY + DAY_S, "a", user="1", site_id="shop"))
    assert await ask(api, period="day", periods=1, end="2021-03-02") == [
        ("2021-03-01", 1, [1, 0]),
        ("2021-03-02", 1, [1]),
    ]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("period", ["day", "week", "month"])
async def test_in_every_period_and_zone_it_equals_counting_by_hand(
    api: AsyncClient, keep: Keep, period: str, zone: str
) -> None:
    random = Random(period + zone)
    end = datetime(2021, 5, 31, tzinfo=ZoneInfo(zone))
    made = [
        path(MONDAY - 50 * DAY_S + random.randrange(120 * DAY_S), random.choice("ab"), user=str(random.randrange(60)))
        for _ in range(300)
    ]
    await keep(*made)
    seen = [(row.user_id, numbered(row.begin_us, period, zone), row.path == ["b"]) for row in made]
    begin = datetime(2021, 3, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC).timestamp() * SECOND_US
    before = {row.user_id for row in made if row.begin_us < begin}
    for first in ("ever", "range"):
        mine = [
            one
            for one, row in zip(seen, made, strict=True)
            if row.begin_us >= begin and (first == "range" or row.user_id not in before)
        ]
        asked: dict[str, Any] = {
            "period": period,
            "timezone": zone,
            "first": first,
            "returning_event": "b",
            "periods": 366,
        }
        answer = await ask(api, end="2021-05-31", **asked)
        expected = retention(mine)
        found = {
            number_of(date.fromisoformat(cohort), period): [
                (later, users) for later, users in enumerate(returned) if users
            ]
            for cohort, _, returned in answer
        }
        assert found == expected
        lengths = {number_of(date.fromisoformat(cohort), period) + len(returned) for cohort, _, returned in answer}
        assert lengths == {number_of(end.date(), period) + 1}
        assert sum(size for _, size, _ in answer) == len({user for user, _, _ in mine})


def numbered(moment_us: int, period: str, zone: str) -> int:
    return number_of(to_datetime(moment_us).astimezone(ZoneInfo(zone)).date(), period)


def number_of(day: date, period: str) -> int:
    if period == "month":
        return day.year * 12 + day.month
    first = day if period == "day" else day - timedelta(days=day.weekday())
    return first.toordinal() // (1 if period == "day" else 7)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"period": "year"}, "period"),
        ({"periods": 0}, "periods"),
        ({"returning_event": "a\0"}, "returning_event"),
        ({"first": "never"}, "first"),
        ({"timezone": "Mars"}, "timezone"),
        ({"steps": []}, "steps"),
    ],
)
async def test_a_question_that_makes_no_sense_is_a_problem_that_names_the_field(
    api: AsyncClient, asked: dict[str, Any], field: str
) -> None:
    assert problem(await api.post("/v1/retention", json=asked), 422)["errors"][0]["field"] == field
