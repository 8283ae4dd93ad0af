"""`GET /v1/sessions` and one session: filters, pages, and what is no question."""

from decimal import Decimal
from typing import Any

import psycopg
import pytest
from httpx import AsyncClient

from clickloom.keys import Keys
from clickloom.session import Session, Touch
from tests.services.api.conftest import Keep
from tests.services.api.ingest.test_native import problem
from tests.sessions import session

DAY = 1_614_297_600.0  # 26 February 2021, 00:00 UTC


async def users(api: AsyncClient, **filters: Any) -> list[str]:
    answer = await api.get("/v1/sessions", params=filters)
    assert answer.status_code == 200, answer.text
    return [row["user_id"] for row in answer.json()["sessions"]]


async def test_a_session_is_shown_with_all_its_fields(api: AsyncClient, keep: Keep) -> None:
    made = session(
        DAY + 0.25,
        events=3,
        touch=Touch(entry_url="/über", referrer="r", utm_source="s", experiments={"a": "b"}, currency="EUR"),
        converted=True,
        orders=2,
        revenue=Decimal("1000.500000"),
        bounced=False,
        closed_by="cap",
        version=4,
        revised_because="merged",
    )
    await keep(made)
    expected = {
        "session_uid": str(made.session_uid),
        "session_id": "64_COM1614297600",
        "window": "visits",
        "site_id": "default",
        "user_id": "64",
        "device_id": "computer",
        "device_type": "computer",
        "timeagg": "2021-02-26T00:00:00.250000Z",
        "events": 3,
        "begin_navigation": "beer_vitrine_nav",
        "end_navigation": "beer_checkout",
        "begin_session": "2021-02-26T00:00:00.250000Z",
        "end_session": "2021-02-26T00:00:02.250000Z",
        "duration_sec": 2,
        "path": [{"event": "beer_vitrine_nav", "offset_ms": offset} for offset in (0, 1000, 2000)],
        "path_truncated": False,
        "entry_url": "/über",
        "referrer": "r",
        "utm_source": "s",
        "utm_medium": None,
        "utm_campaign": None,
        "experiments": {"a": "b"},
        "converted": True,
        "orders": 2,
        "revenue": "1000.5",
        "currency": "EUR",
        "bounced": False,
        "closed_by": "cap",
        "version": 4,
        "revised_because": "merged",
    }
    assert (await api.get(f"/v1/sessions/{made.session_uid}")).json() == expected
    answer = await api.get("/v1/sessions")
    assert answer.json() == {"sessions": [expected], "next_cursor": None, "as_of": None}


async def test_an_unknown_session_is_not_found_and_what_is_no_uuid_is_no_question(api: AsyncClient) -> None:
    unknown = "53b41eea-6b8a-d662-2faf-95a40b777597"
    assert unknown in problem(await api.get(f"/v1/sessions/{unknown}"), 404)["detail"]
    assert problem(await api.get("/v1/sessions/64_COM1614358320"), 422)["errors"][0]["field"] == "session_uid"


async def test_each_filter_leaves_out_what_it_says(api: AsyncClient, keep: Keep) -> None:
    await keep(
        session(DAY, user="a"),
        session(DAY + 1, user="b", site_id="shop"),
        session(DAY + 2, user="c", device_id="mobile"),
        session(DAY + 3, user="d"),
    )
    await keep(session(DAY + 4, user="e", window="minutes"), window="minutes")
    assert await users(api) == ["d", "c", "b", "a"]
    assert await users(api, window="minutes") == ["e"]
    assert await users(api, site_id="shop") == ["b"]
    assert await users(api, user_id="a") == ["a"]
    assert await users(api, device_id="mobile") == ["c"]
    assert await users(api, user_id="a", device_id="mobile") == []
    assert await users(api, user_id="'; DROP TABLE sessions; --") == []
    assert await users(api, limit=2) == ["d", "c"]


async def test_from_is_inclusive_and_to_is_exclusive_with_or_without_a_zone(api: AsyncClient, keep: Keep) -> None:
    await keep(session(DAY, user="a"), session(DAY + 3600, user="b"), session(DAY + 7200, user="c"))
    assert await users(api, **{"from": "2021-02-26T01:00:00Z"}) == ["c", "b"]
    assert await users(api, to="2021-02-26T01:00:00") == ["a"]
    both = {"from": "2021-02-26T02:00:00+01:00", "to": "2021-02-26T02:00:00Z"}
    assert await users(api, **both) == ["b"]
    assert await users(api, **{"from": "0001-01-01T00:00:00+14:00", "to": "9999-12-31T23:59:59-14:00"}) == [
        "c",
        "b",
        "a",
    ]


async def pages(api: AsyncClient, **filters: Any) -> list[list[dict[str, Any]]]:
    """Every page, each asked for with the cursor of the one before."""
    found = []
    cursor: dict[str, str] = {}
    while True:
        answer = (await api.get("/v1/sessions", params={**filters, **cursor})).json()
        found.append(answer["sessions"])
        if answer["next_cursor"] is None:
            return found
        cursor = {"cursor": answer["next_cursor"]}


@pytest.mark.parametrize("limit", [1, 7, 30, 1000])
async def test_pages_visit_each_session_once_in_order_also_when_many_begin_at_once(
    api: AsyncClient, keep: Keep, limit: int
) -> None:
    together = [session(DAY + 0.000001, user=f"same{number}") for number in range(20)]
    alone = [session(DAY + number, user=f"alone{number}") for number in range(1, 11)]
    await keep(*together, *alone)
    found = await pages(api, limit=limit)
    rows = [row for page in found for row in page]
    assert [row["session_uid"] for row in rows] == [str(uid) for uid in newest_first(together + alone)]
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)


def newest_first(sessions: list[Session]) -> list[object]:
    ordered = sorted(sessions, key=lambda row: (row.begin_us, row.session_uid), reverse=True)
    return [row.session_uid for row in ordered]


async def test_a_page_goes_on_where_the_last_ended_though_newer_sessions_came(api: AsyncClient, keep: Keep) -> None:
    await keep(session(DAY, user="a"), session(DAY + 1, user="b"))
    first = (await api.get("/v1/sessions", params={"limit": 1})).json()
    await keep(session(DAY + 2, user="c"))
    assert await users(api, cursor=first["next_cursor"]) == ["a"]


async def test_as_of_is_the_least_watermark_of_the_windows_partitions(
    api: AsyncClient, keys: Keys, database: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    for window, number, watermark in (("visits", 0, "12:00"), ("visits", 1, "11:00"), ("minutes", 0, "10:00")):
        database.execute(
            "INSERT INTO stream_cursors VALUES (%s, '1-0', %s, now())",
            [keys.sessions(window, number), f"2021-02-26 {watermark}+00"],
        )
    database.execute("INSERT INTO stream_cursors VALUES (%s, '0-0', NULL, now())", [keys.sessions("visits", 2)])
    assert (await api.get("/v1/sessions")).json()["as_of"] == "2021-02-26T11:00:00Z"
    assert (await api.get("/v1/sessions?window=minutes")).json()["as_of"] == "2021-02-26T10:00:00Z"


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("window=hours", "window"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=many", "limit"),
        ("from=yesterday", "from"),
        ("to=inf", "to"),
        ("colour=red", "colour"),
        ("user_id=a%00b", "user_id"),
        ("user_id=" + "x" * 129, "user_id"),
        ("cursor=" + "x" * 300, "cursor"),
    ],
)
async def test_a_question_that_is_none_is_answered_with_the_fields_name(
    api: AsyncClient, question: str, field: str
) -> None:
    answer = problem(await api.get(f"/v1/sessions?{question}"), 422)
    assert [error["field"] for error in answer["errors"]] == [field]
    assert field in answer["detail"]


@pytest.mark.parametrize("cursor", ["x", "e30=", "WzEsMl0=", "ÿ", "%00", "W10", "bnVsbA=="])
async def test_a_cursor_that_is_not_ours_is_refused(api: AsyncClient, cursor: str) -> None:
    assert "cursor: not one of ours" in problem(await api.get(f"/v1/sessions?cursor={cursor}"), 422)["detail"]
