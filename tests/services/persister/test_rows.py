"""Stream entries as rows: what is folded, what is rejected."""

from functools import partial

import pytest

from clickloom.errors import UnknownVersion
from clickloom.times import SECOND_US
from clickloom.wire import FIELD, MAX_PAYLOAD, RecordBatch, RejectedEvent, encode
from services.persister.rows import AddEntry, Rows, add_changelog, add_clicks, add_entries, add_rejected
from tests.clicks import batch, click
from tests.sessions import changelog, session

Folded = dict[str, int]  # session → version


def rows_of(add: AddEntry, *values: object) -> Rows:
    """Rows of a stream with these entries."""
    rows = Rows("some-stream")
    entries = [
        (f"{number}-0".encode(), {FIELD: value if isinstance(value, bytes) else encode(value)})
        for number, value in enumerate(values, start=1)
    ]
    add_entries(rows, entries, add)
    return rows


def changelog_rows(*values: object) -> Rows:
    return rows_of(partial(add_changelog, "visits"), *values)


def click_rows(*values: object) -> Rows:
    return rows_of(partial(add_clicks, 3), *values)


def versions(rows: Rows) -> list[int]:
    return [row.session.version for row in rows.sessions.values()]


def test_a_session_revised_in_one_run_is_written_once_in_its_last_version() -> None:
    first, second = session(100), session(100, version=2, events=2)
    rows = changelog_rows(changelog(first), changelog(second, minus=(first,)))
    assert versions(rows) == [2]
    assert set(rows.revoked) == {first.uid}


def test_sessions_that_are_joined_in_one_run_leave_only_the_joined_one() -> None:
    early, late, joined = session(100), session(1900), session(50, version=2)
    rows = changelog_rows(changelog(early, late), changelog(joined, minus=(early, late)))
    assert list(rows.sessions) == [joined.uid]
    assert set(rows.revoked) == {early.uid, late.uid}


def test_what_comes_later_holds_whatever_its_version() -> None:
    first, second = session(100), session(100, version=2, events=2)
    again = session(100, events=3)  # of commits that Redis has lost, made anew
    rows = changelog_rows(changelog(second, minus=(first,)), changelog(again))
    assert [row.session.events for row in rows.sessions.values()] == [3]
    assert not changelog_rows(changelog(second), changelog(minus=(first,))).sessions


def test_an_entry_that_cannot_be_decoded_is_rejected_whole_and_its_neighbours_are_not() -> None:
    rows = click_rows(batch(click(1)), b"rubbish" * 1000, batch(click(2), click(3)))
    assert len(rows.clicks) == 3
    [(stream, milliseconds, sequence, row, _, site_id, source, code, _, payload)] = rows.rejected
    assert (stream, milliseconds, sequence, row) == ("some-stream", 2, 0, 0)
    assert (site_id, source, code) == ("default", "stream some-stream", "undecodable_entry")
    assert payload == (b"rubbish" * 1000)[:MAX_PAYLOAD]


def test_an_entry_without_our_field_is_rejected_with_what_it_holds() -> None:
    rows = Rows("some-stream")
    add_entries(rows, [(b"1-0", {b"other": b"field"})], partial(add_clicks, 3))
    assert b"other" in rows.rejected[0][-1]


def foreign(**columns: object) -> RecordBatch:
    """A batch that decodes but that this software would not have made."""
    made = batch(click(1), click(2))
    for name, value in columns.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    "entry",
    [
        foreign(keys=["no separator", "none"]),
        foreign(times=(2**62).to_bytes(8, "little") * 2),
        foreign(arrival_us=2**62),
    ],
    ids=["no visitor's key", "a click after the year 9999", "an arrival after the year 9999"],
)
def test_an_entry_of_impossible_values_is_rejected_whole(entry: RecordBatch) -> None:
    rows = click_rows(entry, batch(click(3)))
    assert len(rows.clicks) == 1
    assert [row[7] for row in rows.rejected] == ["undecodable_entry"]


def test_an_entry_that_is_nested_without_end_is_rejected_whole() -> None:
    holder = encode(batch(click(1, properties={"a": "PLACEHOLDER"})))
    rows = click_rows(holder.replace(encode("PLACEHOLDER"), b"\x91" * 100_000 + b"\xc0"), batch(click(3)))
    assert len(rows.clicks) == 1
    assert [row[7] for row in rows.rejected] == ["undecodable_entry"]


def test_an_entry_of_a_later_version_stops_the_reader() -> None:
    with pytest.raises(UnknownVersion, match=r"version 2; this software reads version 1: upgrade every service"):
        click_rows(foreign(version=2))


def test_a_rejected_event_never_holds_a_text_that_postgres_would_refuse() -> None:
    event = RejectedEvent(
        rejected_us=SECOND_US, source="http", code="invalid_field", message="unknown field `\0`", payload=b"\0"
    )
    [row] = rows_of(add_rejected, event).rejected
    assert row[-3:] == ("invalid_field", "unknown field `\\0`", b"\0")


def test_the_watermark_of_a_run_is_that_of_its_last_entry() -> None:
    rows = changelog_rows(changelog(watermark=10), changelog(watermark=20))
    assert rows.watermark_us == 20 * SECOND_US
