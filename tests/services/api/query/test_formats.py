"""The format of an answer: which one a request asks for, and that each can be read again."""

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from services.api.problems import Problem
from services.api.query.formats import JSON_TEXT, Format, choose_format, table_of, table_response

AT = datetime(2026, 11, 25, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Format.json),
        ("*/*", Format.json),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format.json),
        ("application/*", Format.json),
        ("text/csv", Format.csv),
        ("Text/CSV; header=present", Format.csv),
        ("text/*", Format.csv),
        ("application/json;q=0.5, text/csv;q=0.9", Format.csv),
        ("application/json;q=0, application/*", Format.ndjson),
        ("text/csv;q=0.1, application/x-ndjson;q=0.2", Format.ndjson),
        ("application/vnd.apache.parquet", Format.parquet),
        ("text/csv;q=many, application/vnd.apache.arrow.stream", Format.arrow),
    ],
)
def test_the_most_welcome_format_is_taken(accept: str, form: Format) -> None:
    assert choose_format(accept) is form


@pytest.mark.parametrize("accept", ["text/html", "text/csv;q=0", "application/json;q=0", ";;", "text/csv;q=many"])
def test_what_can_be_given_is_told_to_who_wants_something_else(accept: str) -> None:
    with pytest.raises(Problem, match="it can be application/json, application/x-ndjson, text/csv") as refused:
        choose_format(accept)
    assert refused.value.status == 406


TABLE = pa.table(
    {
        "text": ["a,b", None, ""],
        "number": [1, -2, None],
        "at": pa.array([AT, None, AT], pa.timestamp("us", "UTC")),
        "money": pa.array([Decimal("10.500000"), Decimal(0), None], pa.decimal128(38, 6)),
        "steps": [[{"event": "cart", "offset_ms": 7}], [], None],
        "said": ['{"a":1}', None, "[]"],
    },
).cast(
    pa.schema(
        [
            pa.field("text", pa.string()),
            pa.field("number", pa.int64()),
            pa.field("at", pa.timestamp("us", "UTC")),
            pa.field("money", pa.decimal128(38, 6)),
            pa.field("steps", pa.list_(pa.struct({"event": pa.string(), "offset_ms": pa.int64()}))),
            pa.field("said", pa.string(), metadata=JSON_TEXT),
        ]
    )
)


async def written(table: Any, form: Format) -> bytes:
    answer = await table_response(table, form)
    assert answer.headers["content-type"].split(";")[0] == form
    assert answer.headers["vary"] == "Accept"
    return bytes(answer.body)


async def test_ndjson_has_an_object_a_line() -> None:
    assert (await written(TABLE, Format.ndjson)).decode().splitlines() == [
        '{"text":"a,b","number":1,"at":"2026-11-25T12:00:00.250000Z","money":"10.5",'
        '"steps":[{"event":"cart","offset_ms":7}],"said":{"a":1}}',
        '{"text":null,"number":-2,"at":null,"money":"0","steps":[],"said":null}',
        '{"text":"","number":null,"at":"2026-11-25T12:00:00.250000Z","money":null,"steps":null,"said":[]}',
    ]


async def test_csv_tells_an_empty_text_from_none() -> None:
    assert (await written(TABLE, Format.csv)).decode().splitlines() == [
        '"text","number","at","money","steps","said"',
        '"a,b",1,"2026-11-25T12:00:00.250000Z","10.5","[{""event"":""cart"",""offset_ms"":7}]","{""a"":1}"',
        ',-2,,"0","[]",',
        '"",,"2026-11-25T12:00:00.250000Z",,,"[]"',
    ]


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
async def test_no_text_is_a_formula_to_a_spreadsheet(text: str) -> None:
    table = table_of(["said", "number"], [[text, -1], ["fine = fine", 2]])
    found = csv.read_csv(io.BytesIO(await written(table, Format.csv)))
    assert found.to_pydict() == {"said": ["'" + text, "fine = fine"], "number": [-1, 2]}


async def test_parquet_and_arrow_are_the_table() -> None:
    assert parquet.read_table(io.BytesIO(await written(TABLE, Format.parquet))).equals(TABLE)
    assert pa.ipc.open_stream(await written(TABLE, Format.arrow)).read_all().equals(TABLE)


async def test_no_rows_are_a_table_too() -> None:
    table = table_of(["a", "b"], [])
    assert await written(table, Format.csv) == b'"a","b"\n'
    assert await written(table, Format.ndjson) == b""
    assert parquet.read_table(io.BytesIO(await written(table, Format.parquet))).column_names == ["a", "b"]
