"""Rows of tables: what the quick way takes is what `normalise` takes, and comes out the same."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickloom.click import Click, normalise, parse_click
from clickloom.errors import InvalidInput, RejectedInput
from services.cli.history.mapping import FIELDS
from services.cli.history.staged import COLUMNS, Database, name, open_duckdb, text
from services.cli.history.tables import ROW, Source, check_types, other_rows, plain_rows

NOW_US = 1_800_000_000_000_000
BOUND_US = 300_000_000

texts = st.one_of(
    st.none(),
    st.text(max_size=6),
    st.text("ab\n\0\x1f\u00e9\U0001f600", max_size=6),
    st.integers(62, 66).map("x".__mul__),
    st.integers(126, 130).map("\u00e9".__mul__),
    st.integers(2046, 2050).map("x".__mul__),
)
times = st.one_of(
    st.none(),
    st.text(max_size=4),
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.integers(-(10**14), 10**15).map(str),
    st.sampled_from(
        ["2021-02-26T24:00:00", "2021-02-30T10:00:00", "2021-02-26T13:31:60", "20210226", "2021-02-26T13:31:00.1234567"]
    ),
    st.sampled_from(["1969-12-31T23:59:59", "2027-01-15T08:05:00", "2027-01-15T08:05:00.000001", "2027-01-15T08:04Z"]),
)
flat_values: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers(-(10**16), 10**16) | st.floats() | st.text(max_size=4) | st.just([])
)
json_texts = st.one_of(
    st.none(),
    st.sampled_from(
        ['{"a": 1}', "{", "[]", '{"a":"\\u0000"}', "null", "{}", '{"a":"b","a":"c"}', '{"":"a"}', '{"a":-0}']
    ),
    st.dictionaries(st.text(max_size=3), st.text(max_size=4), max_size=3).map(msgspec.json.encode).map(bytes.decode),
    st.dictionaries(st.text("ab,"), flat_values, max_size=3).map(msgspec.json.encode).map(bytes.decode),
    st.sampled_from([63, 64, 126, 127, 128, 129]).map(lambda length: f'{{"a":"{"é" * length}"}}'),
)
revenues = st.one_of(st.none(), st.sampled_from(["1", "1.50", "1e20", "0.0000001", "x", "NaN", "-3"]))
rows = st.fixed_dictionaries(
    {
        **dict.fromkeys(FIELDS, texts),
        "client_timestamp": times,
        "experiments": json_texts,
        "properties": json_texts,
        "revenue": revenues,
        "device_type": st.sampled_from([None, "mobile", "other", "watch"]),
        "currency": st.sampled_from([None, "EUR", "\u20ac\u20ac\u20ac", "EURO", ""]),
    }
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with open_duckdb(tmp_path_factory.mktemp("duckdb"), threads=1, memory="256MB") as database:
        yield database


def source_of(database: Database, rows: Sequence[dict[str, Any]]) -> Source:
    """A table of texts, as a CSV file is."""
    columns = ", ".join(f"{name(field)} VARCHAR" for field in FIELDS)
    database.execute(f"CREATE OR REPLACE TABLE file ({ROW} BIGINT, {columns})")
    values = [(number, *(row[field] for field in FIELDS)) for number, row in enumerate(rows, start=1)]
    database.executemany(f"INSERT INTO file VALUES ({', '.join('?' * (len(FIELDS) + 1))})", values)
    return Source("file", 0, {field: field for field in FIELDS}, {}, dict.fromkeys(FIELDS, "VARCHAR"))


def checked(event: str | bytes) -> Click | None:
    try:
        return normalise(parse_click(event), received_us=NOW_US, future_bound_us=BOUND_US, new_event_id=lambda: "made")
    except RejectedInput:
        return None


def staged(click: Click) -> dict[str, Any]:
    """What of a click is staged, by column."""
    found = {column: getattr(click, column) for column in COLUMNS if column in FIELDS}
    for column in ("experiments", "properties"):
        found[column] = found[column] and msgspec.json.encode(found[column]).decode()
    return {**found, "event_id": None if click.event_id == "made" else click.event_id, "time_us": click.time_us}


PLAIN = {
    **dict.fromkeys(FIELDS),
    **{"user_id": "64", "device_id": "mobile", "client_event": "x", "client_timestamp": "2021-02-26T13:31:00"},
}
with_objects = st.fixed_dictionaries({"experiments": json_texts, "properties": json_texts}).map(PLAIN.__or__)


@given(st.lists(rows | with_objects, min_size=1, max_size=5))
def test_each_row_is_plain_or_other_and_what_is_plain_is_what_normalise_makes_of_it(
    database: Database, found: list[dict[str, Any]]
) -> None:
    source = source_of(database, found)
    plain = database.execute(plain_rows(source, NOW_US + BOUND_US)).fetchall()
    others = database.execute(other_rows(source, NOW_US + BOUND_US)).fetchall()
    names = list(COLUMNS)
    by_row = {row[1]: dict(zip(names, row, strict=True)) for row in plain}
    assert sorted([*by_row, *(row for row, _ in others)]) == list(range(1, len(found) + 1))
    for number, row in by_row.items():
        event = {field: value for field, value in found[number - 1].items() if value is not None}
        for field in ("experiments", "properties"):
            if field in event:
                event[field] = msgspec.json.decode(event[field])
        click = checked(msgspec.json.encode(event))
        assert click is not None
        assert {**row, "file": 0, "row": 0} == {"file": 0, "row": 0, **staged(click)}


@pytest.mark.parametrize(
    ("time", "ways"),
    [
        ("2021-02-26T13:31:00", "plain"),
        ("2021-02-26 13:31:00.25Z", "plain"),
        ("1614346260000", "other"),
        ("2021-02-26T13:31:00+01:00", "other"),
        ("20210226T133100", "other"),
    ],
)
def test_a_time_in_any_form_is_read_in_one_way_or_the_other(database: Database, time: str, ways: str) -> None:
    source = source_of(database, [{**PLAIN, "client_timestamp": time}])
    plain = database.execute(plain_rows(source, NOW_US)).fetchall()
    others = database.execute(other_rows(source, NOW_US)).fetchall()
    assert (len(plain), len(others)) == ((1, 0) if ways == "plain" else (0, 1))
    if others:
        click = checked(others[0][1])
        assert click is not None
        assert click.time_us in (1_614_346_260_000_000, 1_614_342_660_000_000)


@pytest.mark.parametrize(
    ("written", "ways"),
    [
        ('{"color":"blau","größe":""}', "plain"),
        ('{"color": "blue"}', "other"),
        ('{"color":"blue","color":"red"}', "other"),
        ('{"quote":"\\""}', "other"),
        ("{}", "other"),
    ],
)
def test_objects_of_texts_are_plain_if_written_as_we_do(database: Database, written: str, ways: str) -> None:
    source = source_of(database, [{**PLAIN, "experiments": written, "properties": written}])
    plain = database.execute(plain_rows(source, NOW_US)).fetchall()
    assert len(plain) == (ways == "plain")


def test_typed_columns_are_read_by_their_type(database: Database, tmp_path: Path) -> None:
    moment = "TIMESTAMPTZ '2021-02-26 13:31:00+00'"
    columns = f"1::BIGINT AS {ROW}, 64::INTEGER AS user_id, 'x' AS device_id, 'y' AS client_event"
    us = 1_614_346_260_000_000
    for expression in (
        moment,
        f"{moment} AT TIME ZONE 'UTC'",
        f"({moment} AT TIME ZONE 'UTC')::TIMESTAMP_NS",
        f"{us // 1000}",
    ):
        relation = f"(SELECT {columns}, {expression} AS client_timestamp, 12.5::DECIMAL(9, 2) AS revenue)"
        types = {column: kind for column, kind, *_ in database.execute(f"DESCRIBE {relation[1:-1]}").fetchall()}
        fields = {field: field for field in types if field != ROW}
        source = Source(relation, 0, fields, {"site_id": "shop"}, types)
        plain = database.execute(plain_rows(source, NOW_US))
        names = [column for column, *_ in plain.description]
        [row] = plain.fetchall()
        found = dict(zip(names, row, strict=True))
        assert (found["user_id"], found["time_us"], found["revenue"]) == ("64", us, Decimal("12.5"))
        assert found["site_id"] == "shop"


def test_a_column_that_cannot_be_an_id_is_said(database: Database) -> None:
    types = {"uid": "DOUBLE"}
    with pytest.raises(InvalidInput, match=r"clicks.parquet: user_id is the column uid, of type DOUBLE: write it as"):
        check_types(Source("file", 0, {"user_id": "uid"}, {}, types), "clicks.parquet")


def test_texts_and_names_are_quoted(database: Database) -> None:
    quoted, column = text("it's"), name('a "b"')
    assert database.execute(f"SELECT {quoted} AS {column}").description[0][0] == 'a "b"'
