"""`GET /v1/sessions`: its filters, orders, pages, fields and formats."""

import io
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from httpx import AsyncClient
from pyarrow import csv, parquet

from clickloom.keys import Keys
from clickloom.session import Touch
from services.api.query.formats import Format
from services.api.query.session_answers import NAMES
from tests.services.api.conftest import Keep
from tests.services.api.ingest.test_native import problem
from tests.services.api.query.test_sessions import DAY, users
from tests.sessions import session

LETTER = Touch(utm_source="letter", utm_campaign="spring", experiments={"button": "red"}, entry_url="/beer/7")
SHOP = (
    session(DAY, user="a", events=3, touch=LETTER, converted=True, bounced=False, revenue=Decimal("9.5"), orders=1),
    session(
        DAY + 1, user="b", events=5, path=["vitrine", *["cart"] * 4], begin_navigation="vitrine", device_type="mobile"
    ),
    session(DAY + 2, user="c", events=1, end_navigation="cart", closed_by="cap", device_type="tablet"),
    session(DAY + 3, user="d", events=3, touch=Touch(experiments={"button": "blue"}), revenue=Decimal("10"), orders=2),
)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"device_type": "mobile"}, "b"),
        ({"device_type": ["mobile", "tablet"]}, "cb"),
        ({"begin_navigation": "vitrine"}, "b"),
        ({"end_navigation": "cart"}, "c"),
        ({"event": "cart"}, "b"),
        ({"event": ["cart", "beer_vitrine_nav"]}, "dcba"),
        ({"min_duration_sec": 2, "max_duration_sec": 3}, "da"),
        ({"min_events": 3}, "dba"),
        ({"max_events": 2}, "c"),
        ({"converted": "true"}, "a"),
        ({"bounced": "true"}, "dcb"),
        ({"utm_source": "letter", "utm_campaign": "spring"}, "a"),
        ({"utm_source": "letter", "utm_campaign": "autumn"}, ""),
        ({"experiment": "button:red"}, "a"),
        ({"experiment": ["button:red", "button:blue"]}, "da"),
        ({"experiment": ["button:red", "page:new"]}, ""),
        ({"closed_by": "cap"}, "c"),
        ({"entry_url": "/beer/7"}, "a"),
        ({"filters": '[["or", [["is", "user_id", ["a"]], ["more_than", "events", [4]]]]]'}, "ba"),
        ({"filters": '[["is_not", "user_id", ["a"]]]', "bounced": "true", "max_events": 3}, "dc"),
        ({"user_id": ""}, ""),
    ],
)
async def test_a_parameter_finds_its_sessions(api: AsyncClient, keep: Keep, asked: dict[str, Any], found: str) -> None:
    await keep(*SHOP)
    assert await users(api, **asked) == list(found)


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("-begin_session", "dcba"),
        ("begin_session", "abcd"),
        ("-duration_sec", "bdac"),
        ("duration_sec", "cadb"),
        ("-events", "bdac"),
        ("-orders", "dacb"),
        ("-revenue", "dacb"),
        ("revenue", "bcad"),
    ],
)
async def test_each_order_is_kept_over_pages(api: AsyncClient, keep: Keep, order: str, found: str) -> None:
    await keep(*SHOP)
    assert await users(api, order=order) == list(found)
    asked, seen = f"/v1/sessions?limit=1&order={order}", ""
    while asked:
        answer = await api.get(asked)
        seen += "".join(row["user_id"] for row in answer.json()["sessions"])
        asked = answer.links.get("next", {}).get("url", "")
    assert seen == found


async def test_a_cursor_is_of_its_question_alone(api: AsyncClient, keep: Keep) -> None:
    await keep(*SHOP)
    cursor = (await api.get("/v1/sessions?limit=1&bounced=true")).json()["next_cursor"]
    assert await users(api, bounced="true", cursor=cursor, limit=3, fields="user_id") == ["c", "b"]
    for other in ({}, {"bounced": "false"}, {"bounced": "true", "order": "begin_session"}):
        told = problem(await api.get("/v1/sessions", params={**other, "cursor": cursor}), 422)
        assert told["detail"].startswith("cursor: of another question")


async def test_fields_are_those_asked_for_in_their_order(api: AsyncClient, keep: Keep) -> None:
    await keep(SHOP[2])
    answer = (await api.get("/v1/sessions?fields=user_id,path, events,user_id")).text
    path = '[{"event":"beer_vitrine_nav","offset_ms":0}]'
    assert f'{{"sessions":[{{"user_id":"c","path":{path},"events":1}}]' in answer
    assert (await api.get("/v1/sessions?fields=revenue")).json()["sessions"] == [{"revenue": "0"}]


async def rows(api: AsyncClient, form: Format, **asked: Any) -> bytes:
    answer = await api.get("/v1/sessions", params=asked, headers={"accept": form})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(form)
    return answer.content


async def test_every_format_tells_the_same(api: AsyncClient, keep: Keep) -> None:
    await keep(*SHOP)
    plain = (await api.get("/v1/sessions")).json()["sessions"]
    lines = (await rows(api, Format.ndjson)).splitlines()
    assert [msgspec.json.decode(line) for line in lines] == plain
    arrow = pa.ipc.open_stream(await rows(api, Format.arrow)).read_all()
    assert parquet.read_table(io.BytesIO(await rows(api, Format.parquet))).equals(arrow)
    assert tuple(arrow.column_names) == NAMES
    assert arrow["path"].to_pylist() == [row["path"] for row in plain]
    assert arrow["revenue"].to_pylist() == [Decimal(row["revenue"]) for row in plain]
    assert arrow["experiments"].to_pylist() == ['{"button":"blue"}', None, None, '{"button":"red"}']
    found = csv.read_csv(io.BytesIO(await rows(api, Format.csv))).to_pydict()
    assert found["begin_session"][0].isoformat() == "2021-02-26T00:00:03+00:00"
    assert [msgspec.json.decode(text) for text in found["path"]] == [row["path"] for row in plain]
    assert found["user_id"] == ["d", "c", "b", "a"]


async def test_the_next_page_of_a_file_is_named_by_a_link_and_so_is_the_watermark(
    api: AsyncClient, keep: Keep, keys: Keys, database: Any
) -> None:
    await keep(*SHOP)
    database.execute(
        "INSERT INTO stream_cursors VALUES (%s, '1-0', '2021-02-26 12:00+00', now())", [keys.sessions("visits", 0)]
    )
    answer = await api.get("/v1/sessions?limit=3&fields=user_id", headers={"accept": "text/csv"})
    assert answer.headers["clickloom-as-of"] == "2021-02-26T12:00:00+00:00"
    last = await api.get(answer.links["next"]["url"], headers={"accept": "text/csv"})
    assert (answer.text, last.text) == ('"user_id"\n"d"\n"c"\n"b"\n', '"user_id"\n"a"\n')
    assert "next" not in last.links


async def test_files_have_longer_pages_than_json(api: AsyncClient) -> None:
    assert await rows(api, Format.ndjson, limit=10_000) == b""
    assert "at most 1,000 as JSON" in problem(await api.get("/v1/sessions?limit=1001"), 422)["detail"]


async def test_what_no_format_can_be_is_not_acceptable(api: AsyncClient) -> None:
    answer = await api.get("/v1/sessions", headers={"accept": "image/png"})
    assert "text/csv" in problem(answer, 406)["detail"]


@pytest.mark.parametrize(
    ("question", "field", "told"),
    [
        ("order=colour", "order", "'-begin_session', 'begin_session', '-duration_sec'"),
        ("fields=user_id,colour", "fields", "'colour' is no field; any of session_uid, session_id"),
        ("colour=red", "colour", "there are window, site_id"),
        ("min_events=-1", "min_events", "greater than or equal to 0"),
        ("converted=perhaps", "converted", "boolean"),
        ("experiment=red", "experiment", "name:variant"),
        ("filters=red", "filters", "no JSON list"),
        ('filters=[["is","colour",["red"]]]', "filters[0][1]", "'colour' is no field; one of site_id"),
        ('filters=[["matches","user_id",["("]]]', "filters", "invalid regular expression"),
    ],
)
async def test_what_is_no_question_is_told_with_what_is_possible(
    api: AsyncClient, keep: Keep, question: str, field: str, told: str
) -> None:
    await keep(*SHOP)
    answer = problem(await api.get(f"/v1/sessions?{question}"), 422)
    assert [error["field"] for error in answer["errors"]] == [field]
    assert told in answer["detail"]
