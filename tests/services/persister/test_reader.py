"""Streams into real tables: exactly once, whatever comes again or comes broken."""

import asyncio
import contextlib
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from clickloom.click import Click
from clickloom.errors import UndecodableEntry, UnknownVersion
from clickloom.keys import SEPARATOR, Keys
from clickloom.layout import PERSISTER
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.streams import START, Reader, as_bytes, read_stream, readers_of, register_reader, split_id
from clickloom.times import SECOND_US
from clickloom.windows.partition import Partition
from clickloom.wire import FIELD, RejectedEvent, decode_batch, encode
from tests.clicks import batch, click
from tests.conftest import Select
from tests.services.persister.conftest import NewReaders, Readers, persist
from tests.sessions import changelog, session

TABLES = (
    *("clicks", "sessions", "session_rollups", "late_clicks", "rejected_events"),
    *("ledger", "ledger_windows", "ledger_streams"),
)
DAY = 1_614_297_600  # 26 February 2021, 00:00 UTC
END = DAY + 24 * 3600


def publisher(redis: Redis, keys: Keys, settings: Settings) -> Publisher:
    return Publisher(redis, keys=keys, partitions=settings.partitions)


async def publish(redis: Redis, keys: Keys, settings: Settings, *clicks: Click, arrival: float = DAY) -> None:
    await publisher(redis, keys, settings).publish(clicks, arrival_us=round(arrival * SECOND_US))


async def sessionize(redis: Redis, keys: Keys, settings: Settings) -> None:
    """What the sessionizer would append, a commit an entry: so that sessions are emitted, revised and joined."""
    for window in settings.parsed_windows():
        for number in range(settings.partitions):
            partition = Partition(window, settings.rules())
            entries = await read_stream(redis, keys.clicks(number), START, count=10_000, block_ms=None)
            for commit, (entry_id, fields) in enumerate(entries, start=1):
                position = split_id(entry_id.decode())
                with contextlib.suppress(UndecodableEntry):
                    partition.apply(decode_batch(fields[FIELD]), entries=[position])
                changes = partition.take_changes(0)
                changes.changelog.number, changes.changelog.read_to = commit, position
                await redis.xadd(keys.sessions(window.name, number), {FIELD: encode(changes.changelog)})


async def disorderly_visits(redis: Redis, keys: Keys, settings: Settings) -> None:
    """Visits whose sessions are emitted, extended, joined, and clicks that are late, twice there, and rejected."""
    minutes = [0, 40, 20, 80, 81, 79, 200, 20, 199, 300, 1, 500]
    for arrival, minute in enumerate(minutes):
        for user in ("64", "65", "Ünï\\códe\t'\""[:7]):
            made = click(DAY + minute * 60, user=user, event_id=f"{minute}", properties={"tab": "\t", "n": [1, None]})
            await publish(redis, keys, settings, made, arrival=END + arrival)
    await redis.xadd(keys.clicks(0), {FIELD: b"rubbish"})
    await sessionize(redis, keys, settings)
    await publisher(redis, keys, settings).reject([rejection("http")])


def rejection(source: str) -> RejectedEvent:
    return RejectedEvent(rejected_us=DAY, source=source, code="invalid_field", message="no", payload=b"{}")


def everything(select: Select) -> dict[str, list[tuple[object, ...]]]:
    return {table: select(f"SELECT * FROM {table} ORDER BY {table}::text") for table in TABLES}


async def test_reading_every_stream_again_changes_no_row_of_any_table(
    redis: Redis, keys: Keys, settings: Settings, new_readers: NewReaders, select: Select
) -> None:
    await disorderly_visits(redis, keys, settings)
    await persist(new_readers())
    before = everything(select)
    assert [table for table in TABLES if not before[table]] == []
    assert any(version > 1 for (version,) in select("SELECT version FROM sessions"))

    select("UPDATE stream_cursors SET cursor = %s RETURNING 1", START)
    await persist(new_readers())
    assert everything(select) == before
    assert select("SELECT count(*) FROM stream_cursors WHERE cursor = '0-0'") == [(0,)]


async def test_what_the_changelog_says_is_what_is_in_the_table(
    redis: Redis, keys: Keys, readers: Readers, select: Select
) -> None:
    early, late = session(DAY), session(DAY + 3000, events=2)
    joined = session(DAY, version=2, events=9, converted=True, revenue=Decimal("12.50"))
    stream = keys.sessions("visits", 1)
    await redis.xadd(stream, {FIELD: encode(changelog(early, late))})
    await persist(readers)
    assert select("SELECT events, version FROM sessions ORDER BY begin_session") == [(1, 1), (2, 1)]

    await redis.xadd(stream, {FIELD: encode(changelog(joined, minus=(early, late)))})
    await persist(readers)
    assert select("SELECT events, version, revenue FROM sessions") == [(9, 2, Decimal("12.50"))]

    again = session(DAY, events=11)  # Redis has lost the last commit, and more clicks have come since
    await redis.xadd(stream, {FIELD: encode(changelog(again))})
    await persist(readers)
    assert select("SELECT events, version FROM sessions") == [(11, 1)]
    assert select("SELECT sessions, events FROM session_rollups") == [(1, 11)]

    await redis.xadd(stream, {FIELD: encode(changelog(minus=(again,)))})
    await persist(readers)
    assert select("SELECT events, version FROM sessions") == []
    assert select("SELECT * FROM session_rollups") == []


async def test_an_entry_that_cannot_be_decoded_is_kept_and_the_stream_goes_on(
    redis: Redis, keys: Keys, settings: Settings, readers: Readers, select: Select
) -> None:
    await redis.xadd(keys.clicks(2), {FIELD: b"rubbish"})
    await redis.xadd(keys.clicks(2), {FIELD: encode(batch(click(DAY)))})
    await redis.xadd(keys.sessions("visits", 2), {FIELD: b"\x92\x01\x02"})
    await redis.xadd(keys.rejected(), {b"other": b"field"})
    await persist(readers)
    assert select("SELECT count(*) FROM clicks") == [(1,)]
    rejected = select("SELECT stream, code, payload FROM rejected_events ORDER BY stream")
    assert [row[:2] for row in rejected] == [
        (stream, "undecodable_entry")
        for stream in sorted([keys.clicks(2), keys.sessions("visits", 2), keys.rejected()])
    ]
    assert (keys.clicks(2), "undecodable_entry", b"rubbish") in rejected


async def test_a_row_that_postgres_refuses_is_kept_with_the_reason_and_its_neighbours_are_in(
    redis: Redis, keys: Keys, readers: Readers, select: Select
) -> None:
    """Ingest refuses such values; another writer of the stream may not."""
    clicks = [click(DAY + number) for number in range(150)]
    clicks[7].client_event = "nul\0"
    clicks[77].properties = {"text": "nul\0"}
    clicks[78].revenue = Decimal(10) ** 15
    clicks[149].device_id = "nul\0"
    await redis.xadd(keys.clicks(1), {FIELD: encode(batch(*clicks))})
    refusable = [
        session(DAY, begin_navigation="nul\0"),
        session(DAY + 9, user="".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))),  # larger than an index takes
    ]
    stream = keys.sessions("visits", 1)
    await redis.xadd(stream, {FIELD: encode(changelog(*refusable, session(DAY + 1), session(DAY + 2)))})
    await persist(readers)

    assert select("SELECT count(*) FROM clicks") == [(146,)]
    assert select("SELECT count(*) FROM sessions") == [(2,)]
    refused = select("SELECT stream, entry_row, code FROM rejected_events ORDER BY stream, entry_row")
    assert refused == [
        *((keys.clicks(1), row, "refused_by_postgres") for row in (7, 77, 78, 149)),
        *((stream, row, "refused_by_postgres") for row in (0, 1)),
    ]
    [(message, payload)] = select("SELECT message, payload FROM rejected_events WHERE entry_row = 78")
    assert "numeric field overflow" in message
    assert b"beer_products" in payload


async def test_a_later_versions_entry_stops_the_reader_where_it_is(
    redis: Redis, keys: Keys, readers: Readers, select: Select
) -> None:
    later = batch(click(DAY))
    later.version = 9
    first = await redis.xadd(keys.clicks(0), {FIELD: encode(batch(click(DAY)))})
    await persist(readers)
    await redis.xadd(keys.clicks(0), {FIELD: encode(later)})
    with pytest.raises(UnknownVersion, match="upgrade every service"):
        await persist(readers)
    cursors = select("SELECT cursor FROM stream_cursors WHERE stream = %s", keys.clicks(0))
    assert cursors == [(as_bytes(first).decode(),)]


async def test_a_stream_that_is_behind_its_cursor_is_counted_and_read_again_without_duplicates(
    redis: Redis, keys: Keys, readers: Readers, select: Select
) -> None:
    stream = keys.clicks(3)
    entries = [encode(batch(click(DAY + number), click(DAY + number))) for number in range(5)]
    for number, entry in enumerate(entries):
        await redis.xadd(stream, {FIELD: entry}, id=f"{1000 + number}-0")
    await persist(readers)
    before = select("SELECT * FROM clicks ORDER BY entry_ms, entry_row")
    counted = rolled_back()

    await redis.delete(stream)  # Redis comes back without its last two entries, then another one arrives
    for number in (0, 1, 2):
        await redis.xadd(stream, {FIELD: entries[number]}, id=f"{1000 + number}-0")
    await readers[stream].check()
    assert rolled_back() == counted + 1
    await persist(readers)
    assert select("SELECT * FROM clicks ORDER BY entry_ms, entry_row") == before

    await redis.xadd(stream, {FIELD: encode(batch(click(DAY)))}, id="1003-7")
    await persist(readers)
    assert select("SELECT count(*) FROM clicks") == [(11,)]


async def test_lost_entries_are_noticed_also_if_others_have_come_since_and_none_of_these_is_left_out(
    redis: Redis, keys: Keys, readers: Readers, select: Select
) -> None:
    stream = keys.clicks(3)

    async def add(*entry_ids: str) -> None:
        for entry_id in entry_ids:
            await redis.xadd(stream, {FIELD: encode(batch(click(DAY)))}, id=entry_id)

    await add("1000-0", "1001-0", "1002-0")
    await persist(readers)
    before = as_bytes(await redis.dump(stream))
    await add("1003-0", "1004-0")
    await persist(readers)
    counted = rolled_back()

    await redis.restore(stream, 0, before, replace=True)  # Redis comes back, with a clock that is behind
    await add("1003-7", "2000-0")
    await readers[stream].check()
    assert rolled_back() == counted, "by the last id alone it cannot be told"
    await persist(readers)
    assert rolled_back() == counted + 1
    assert select("SELECT entry_ms, entry_seq FROM clicks ORDER BY 1, 2") == [
        *((1000 + number, 0) for number in range(4)),
        *((1003, 7), (1004, 0), (2000, 0)),
    ]
    [group] = await readers_of(redis, stream)
    assert (group.cursor, group.lag) == ("2000-0", 0)


async def test_a_group_that_was_not_shown_or_was_made_anew_is_no_sign_of_lost_entries(
    redis: Redis, keys: Keys, new_readers: NewReaders, select: Select
) -> None:
    stream = keys.clicks(3)
    for number in range(3):
        await redis.xadd(stream, {FIELD: encode(batch(click(DAY + number)))}, id=f"{1000 + number}-0")
    await persist(new_readers())
    counted = rolled_back()
    await redis.xgroup_setid(stream, PERSISTER, "1000-0", entries_read=1)  # a crash between commit and show
    await redis.xadd(stream, {FIELD: encode(batch(click(DAY)))}, id="1003-0")
    await persist(new_readers())
    await redis.xgroup_destroy(stream, PERSISTER)  # `clickloom readers remove persister`, a trim, and it starts again
    await redis.xtrim(stream, maxlen=0, approximate=False)
    await register_reader(redis, stream, PERSISTER)
    await redis.xadd(stream, {FIELD: encode(batch(click(DAY)))}, id="1004-0")
    await persist(new_readers())
    assert rolled_back() == counted
    assert select("SELECT count(*) FROM clicks") == [(5,)]


async def test_a_stream_that_is_gone_is_counted_and_begun_again(
    redis: Redis, keys: Keys, readers: Readers, select: Select
) -> None:
    stream = keys.clicks(3)
    await redis.xadd(stream, {FIELD: encode(batch(click(DAY)))}, id="1000-0")
    await persist(readers)
    counted = rolled_back()
    await redis.delete(stream)
    await readers[stream].check()
    await readers[stream].check()
    assert rolled_back() == counted + 1, "once, not at every look"
    await redis.xadd(stream, {FIELD: encode(batch(click(DAY)))}, id="1-0")
    await persist(readers)
    assert select("SELECT count(*) FROM clicks") == [(2,)]


def rolled_back() -> float:
    return REGISTRY.get_sample_value("clickloom_rolled_back_streams_total", {"reader": PERSISTER}) or 0


async def test_a_trimmed_stream_is_not_one_that_was_rolled_back(redis: Redis, keys: Keys, readers: Readers) -> None:
    await redis.xadd(keys.clicks(3), {FIELD: encode(batch(click(DAY)))})
    await persist(readers)
    await redis.xtrim(keys.clicks(3), maxlen=0, approximate=False)
    counted = rolled_back()
    await readers[keys.clicks(3)].check()
    assert rolled_back() == counted


async def test_two_persisters_share_the_streams_and_write_nothing_twice(
    redis: Redis, keys: Keys, settings: Settings, new_readers: NewReaders, select: Select
) -> None:
    clicks = [click(DAY + number, user=str(number % 50)) for number in range(2_000)]
    await publish(redis, keys, settings, *clicks[:500])

    async def run(readers: Readers) -> None:
        while select("SELECT count(*) FROM clicks") != [(2_000,)]:
            for reader in readers.values():
                await reader.step()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(run(new_readers()))
        group.create_task(run(dict(reversed(new_readers().items()))))
        for start in range(500, 2_000, 10):
            await publish(redis, keys, settings, *clicks[start : start + 10])
    assert select("SELECT count(DISTINCT event_id) FROM clicks") == [(2_000,)]


async def test_the_cursor_is_shown_as_a_consumer_group(redis: Redis, keys: Keys, readers: Readers) -> None:
    for _ in range(2):
        last = await redis.xadd(keys.clicks(0), {FIELD: encode(batch(click(DAY)))})
        await persist(readers)
        assert await readers_of(redis, keys.clicks(0)) == [Reader(PERSISTER, as_bytes(last).decode(), 0)]


async def test_a_run_that_fails_moves_neither_rows_nor_the_cursor(
    redis: Redis,
    keys: Keys,
    readers: Readers,
    database: "psycopg.Connection[tuple[object, ...]]",
    select: Select,
) -> None:
    await redis.xadd(keys.clicks(0), {FIELD: encode(batch(click(DAY)))})
    database.execute("ALTER TABLE stream_cursors ADD CONSTRAINT stay CHECK (cursor = '0-0')")
    with pytest.raises(psycopg.errors.CheckViolation):
        await readers[keys.clicks(0)].step()
    assert select("SELECT count(*) FROM clicks") == [(0,)]
    database.execute("ALTER TABLE stream_cursors DROP CONSTRAINT stay")
    await readers[keys.clicks(0)].step()
    assert select("SELECT count(*) FROM clicks") == [(1,)]


@pytest.mark.parametrize("year", [1, 1970, 1989, 2021, 2200, 9998])
async def test_rows_of_any_year_find_a_partition(
    redis: Redis, keys: Keys, readers: Readers, select: Select, year: int
) -> None:
    [(moment,)] = select("SELECT extract(epoch FROM make_timestamptz(%s, 6, 7, 12, 0, 0, 'UTC'))::float8", year)
    await redis.xadd(keys.clicks(0), {FIELD: encode(batch(click(DAY), arrival=moment))})
    await redis.xadd(keys.sessions("visits", 0), {FIELD: encode(changelog(session(moment)))})
    await persist(readers)
    [(day, table)] = select("SELECT extract(year FROM arrived_at)::int, tableoid::regclass::text FROM clicks")
    assert (day, table) == (year, "clicks_20210607" if year == 2021 else "clicks_default")
    [(month, table)] = select("SELECT extract(year FROM begin_session)::int, tableoid::regclass::text FROM sessions")
    assert (month, table) == (year, "sessions_202106" if year == 2021 else "sessions_default")


async def test_all_that_comes_with_a_click_is_in_its_row(
    redis: Redis, keys: Keys, readers: Readers, select: Select
) -> None:
    details: dict[str, Any] = {
        "page_url": "https://shop.example/über?a=\\N",
        "referrer": "\\",
        "utm_source": "tab\tand\nline",
        "experiments": {"button": "red"},
        "order_id": "o-1",
        "revenue": Decimal("19.990000"),
        "currency": "EUR",
        "properties": {"deep": [{"a": 1.5, "b": None}], "quote": "\"'\\", "large": 2**63},
    }
    made = click(DAY + 0.000001, user="Zoë \\ 'x'", device_id="tablet", **details)
    await redis.xadd(keys.clicks(1), {FIELD: encode(batch(made, arrival=DAY))})
    await persist(readers)
    [row] = select(f"SELECT user_id, device_type, client_timestamp::text, {', '.join(details)} FROM clicks")
    assert row == ("Zoë \\ 'x'", "tablet", "2021-02-26 00:00:00.000001+00", *details.values())
    assert SEPARATOR not in str(row)
