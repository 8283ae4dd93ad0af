"""Filters: what is one, what is none, and which sessions they find in Postgres."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.session import Touch
from clickloom.tables import session_rollups, sessions
from services.api.query.filters import InvalidFilter, can_read, condition_on, fields_of, parse_filters
from tests.services.api.conftest import Keep
from tests.sessions import session

DESKTOP = session(
    1_000,
    user="ann",
    events=3,
    path=["vitrine", "cart", "checkout"],
    touch=Touch(
        entry_url="https://shop.example/beer/7?utm_source=letter#top",
        referrer="https://www.Google.com/search",
        utm_source="letter",
        experiments={"button": "red"},
    ),
    converted=True,
    bounced=False,
)
PHONE = session(2_000, user="bob", device_type="mobile", path=["vitrine"])


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ([], {"ann", "bob"}),
        ([["is", "device_type", ["mobile", "tablet"]]], {"bob"}),
        ([["is_not", "utm_source", ["letter"]]], {"bob"}),
        ([["is", "utm_source", [None]]], {"bob"}),
        ([["is_not", "utm_source", [None]]], {"ann"}),
        ([["is", "entry_page", ["/beer/7"]]], {"ann"}),
        ([["contains", "entry_page", ["_", "/beer"]]], {"ann"}),
        ([["contains_not", "entry_url", ["shop"]]], {"bob"}),
        ([["matches", "entry_page", ["^/beer/[0-9]+$"]]], {"ann"}),
        ([["is", "referrer_host", ["google.com"]]], {"ann"}),
        ([["is", "experiment:button", ["red"]]], {"ann"}),
        ([["is_not", "experiment:button", ["red"]]], {"bob"}),
        ([["is", "event", ["cart", "nothing"]]], {"ann"}),
        ([["is_not", "event", ["cart"]]], {"bob"}),
        ([["at_least", "events", [2]]], {"ann"}),
        ([["less_than", "events", [1.5]]], {"bob"}),
        ([["is", "converted", [True]]], {"ann"}),
        ([["is_not", "bounced", [True]]], {"ann"}),
        ([["or", [["is", "user_id", ["ann"]], ["is", "bounced", [True]]]]], {"ann", "bob"}),
        ([["not", ["is", "utm_source", ["letter"]]]], {"bob"}),
        ([["is", "user_id", ["ann"]], ["is", "bounced", [True]]], set()),
        ([["is", "user_id", ["'; DROP TABLE sessions; --"]]], set()),
    ],
)
async def test_a_filter_finds_its_sessions(keep: Keep, engine: AsyncEngine, written: Any, found: set[str]) -> None:
    await keep(DESKTOP, PHONE)
    statement = select(sessions.c.user_id).where(condition_on(sessions, parse_filters(written)))
    async with engine.connect() as connection:
        assert set(await connection.scalars(statement)) == found


@pytest.mark.parametrize(
    ("written", "where", "told"),
    [
        (["is"], "filters[0]", "a filter is a list"),
        ([["is", "colour", ["red"]]], "filters[0][1]", "'colour' is no field; one of site_id, device_type"),
        ([["is", 7, ["red"]]], "filters[0][1]", "7 is no field"),
        (
            [["like", "user_id", ["a"]]],
            "filters[0][0]",
            "'like' is no operator for user_id; one of is, is_not, contains",
        ),
        ([["contains", "events", [1]]], "filters[0][0]", "one of is, is_not, at_least"),
        ([["is", "user_id", "ann"]], "filters[0][2]", "a list of 1 to 100"),
        ([["is", "user_id", [7]]], "filters[0][2][0]", "a value of user_id is text"),
        ([["is", "user_id", ["a\0"]]], "filters[0][2][0]", "a value of user_id is text"),
        ([["is", "events", [True]]], "filters[0][2][0]", "a value of events is a number"),
        ([["is", "bounced", ["yes"]]], "filters[0][2][0]", "bounced is true or false"),
        ([["and", [["is", "user_id", ["a"]], ["is"]]]], "filters[0][1][1]", "three parts"),
        ([["or", []]], "filters[0]", "or is followed by one list"),
        ([["is", "user_id", ["a"]]] * 51, "filters[50]", "more than 50"),
    ],
)
def test_what_is_no_filter_is_told_with_its_place(written: Any, where: str, told: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        parse_filters(written)
    assert caught.value.where == where
    assert told in caught.value.message


def test_a_filter_nested_too_deep_is_refused() -> None:
    written: Any = ["is", "user_id", ["a"]]
    for _ in range(20):
        written = ["not", written]
    with pytest.raises(InvalidFilter, match="nested"):
        parse_filters([written])


def test_a_filter_tells_what_it_reads_and_whether_rollups_have_it() -> None:
    by_device = parse_filters([["or", [["is", "device_type", ["mobile"]], ["is", "site_id", ["shop"]]]]])
    by_source = parse_filters([["not", ["is", "utm_source", ["letter"]]]])
    assert fields_of(by_device) == {"device_type", "site_id"}
    assert can_read(by_device, session_rollups)
    assert not can_read(by_source, session_rollups)


async def test_a_filter_on_rollups_reads_their_columns(keep: Keep, engine: AsyncEngine) -> None:
    await keep(DESKTOP, PHONE)
    at = session_rollups.c
    on_phones = condition_on(session_rollups, parse_filters([["is", "device_type", ["mobile"]]]))
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.sum(at.sessions)).where(on_phones)) == 1
