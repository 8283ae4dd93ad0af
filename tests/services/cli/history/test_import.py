"""`clickloom import`: what it takes, what it knows already, what it leaves to live traffic, and how it ends."""

import asyncio
import json
import signal
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from redis.asyncio import Redis

from clickloom.click import Click
from clickloom.errors import InvalidInput
from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.times import MINUTE_US, SECOND_US, from_datetime, now_us
from clickloom.windows.spec import parse_window
from services.cli.history.formats import FileFormat, named
from tests.clicks import click
from tests.conftest import Select
from tests.processes import Process, Start, until
from tests.services.cli.history.files import event_of, imbalance, import_files, sessions_in, tables, write_lines
from tests.windows.answers import batch_answer

VISITS = parse_window("visits = session(gap=30m)")
MONDAY_S = 1_600_000_000


def events(*seconds: float, user: str = "64", **more: Any) -> list[dict[str, Any]]:
    return [{**event_of(click(MONDAY_S + second, user=user, event_id=None)), **more} for second in seconds]


def test_the_same_clicks_in_any_format_are_the_same_and_the_rest_of_the_columns_is_told(
    settings: Settings, database: "psycopg.Connection[Any]", tmp_path: Path
) -> None:
    first, second = (
        "'64', 'a', TIMESTAMP '2021-02-26 13:31:00', 1.5",
        "'65', 'b', TIMESTAMP '2021-02-26 13:32:00', NULL",
    )
    table = f"(VALUES ({first}, 'x'), ({second}, 'y')) AS t(uid, event, ts, revenue, weather)"
    files = {form: tmp_path / f"clicks.{form}" for form in ("csv", "parquet", "jsonl")}
    for form, file in files.items():
        options = "FORMAT json" if form == "jsonl" else f"FORMAT {form}"
        columns = "* EXCLUDE (weather)" if form == "jsonl" else "*"
        duckdb.execute(f"COPY (SELECT {columns} FROM {table}) TO '{file}' ({options})")
    rules = ["user_id=uid", "client_event=event", "client_timestamp=ts", "device_id:=computer", "site_id:=shop"]
    new = []
    for form, file in files.items():
        report = import_files(settings, file, form=FileFormat(form), rules=rules)
        assert report.rejected == 0, report.shown
        assert report.unused == ([] if form == "jsonl" else ["weather"])
        new.append(report.loaded.new)
    assert new == [2, 0, 0], "what is known without an event id is known by who, what and when"
    columns = "arrived_at, site_id, user_id, device_id, device_type, client_event, revenue::float"
    found = database.execute(f"SELECT {columns} FROM clicks ORDER BY user_id".encode()).fetchall()
    moment = datetime(2021, 2, 26, 13, 31, tzinfo=UTC)
    assert found[0] == (moment, "shop", "64", "computer", "computer", "a", 1.5)


def test_equal_events_without_an_id_are_as_many_as_the_file_has_and_never_more(
    settings: Settings, select: Select, tmp_path: Path
) -> None:
    twice = write_lines(tmp_path / "twice.jsonl", events(0, 0, 60))
    thrice = write_lines(tmp_path / "thrice.jsonl", events(0, 0, 0))
    assert import_files(settings, twice, twice).loaded.new == 3, "a file that is given twice is one"
    assert import_files(settings, thrice).loaded.new == 1
    assert import_files(settings, twice, thrice).loaded.new == 0
    assert select('SELECT events FROM sessions WHERE "window" = %s', "visits") == [(4,)]


def test_sessions_of_a_day_lie_side_by_side_whoever_they_are_of(
    settings: Settings, select: Select, tmp_path: Path
) -> None:
    """In each of the two buckets: a question about a day need not read the pages of all others."""
    users = 20
    visits = [event for n in range(users) for event in events(60 * n, 86_400 + 60 * n, user=str(n))]
    assert import_files(settings, write_lines(tmp_path / "days.jsonl", visits)).loaded.new == 2 * users
    stored = select('SELECT begin_session FROM sessions WHERE "window" = %s ORDER BY ctid', "visits")
    assert len(stored) == 2 * users
    assert sum(later < earlier for earlier, later in pairwise(stored)) <= 1


def test_events_with_an_id_count_once_and_details_come_along(
    settings: Settings, select: Select, tmp_path: Path
) -> None:
    order: dict[str, Any] = {
        "order_id": "o1",
        "revenue": 12.5,
        "currency": "EUR",
        "page_url": "/x",
        "properties": {"a": [1]},
    }
    told = events(0, event_id="e1", experiments={"price": "high"}, **order)
    told[0]["client_event"] = "order_completed"
    file = write_lines(tmp_path / "orders.jsonl", [*told, *events(60, event_id="e2"), *events(61, event_id="e2")])
    assert import_files(settings, file).loaded.known == 1
    assert select('SELECT events, converted, orders, revenue::float FROM sessions WHERE "window" = %s', "visits") == [
        (2, True, 1, 12.5)
    ]
    assert select("SELECT order_id, properties, experiments FROM clicks WHERE event_id = 'e1'") == [
        ("o1", {"a": [1]}, {"price": "high"})
    ]
    late = write_lines(tmp_path / "late.jsonl", events(120, event_id="e3"))
    assert import_files(settings, late).loaded.changed["visits"] == 1
    again = 'SELECT events, orders, revenue::float, entry_url, version FROM sessions WHERE "window" = %s'
    assert select(again, "visits") == [(3, 1, 12.5, "/x", 2)], "what earlier clicks told is read back"


def test_a_visit_tells_the_first_that_its_clicks_tell_and_an_empty_text_tells_no_campaign(
    settings: Settings, select: Select, tmp_path: Path
) -> None:
    lines = [
        *events(0, page_url="/", utm_source="", utm_campaign=""),
        *events(1, page_url="/beer", utm_source="letter", utm_campaign="spring"),
        *events(2, referrer="https://search.example/", utm_source="search", utm_campaign="summer"),
        *events(7200, page_url="/tea", utm_campaign="autumn"),
    ]
    import_files(settings, write_lines(tmp_path / "clicks.jsonl", lines))
    told = "SELECT entry_url, referrer, utm_source, utm_campaign FROM sessions"
    assert select(f'{told} WHERE "window" = %s ORDER BY begin_session', "visits") == [
        ("/", "https://search.example/", "letter", "spring"),
        ("/tea", None, None, "autumn"),
    ]


def test_bots_are_kept_and_counted_but_in_no_session(settings: Settings, select: Select, tmp_path: Path) -> None:
    lines = [*events(0, user="a"), *events(0, user="b", is_bot=True), *events(0, user="c", user_agent="Googlebot/2.1")]
    file = write_lines(tmp_path / "clicks.jsonl", lines)
    assert [import_files(settings, file).loaded.new for _ in range(2)] == [3, 0]
    assert select('SELECT user_id FROM sessions WHERE "window" = %s', "visits") == [("a",)]
    assert select('SELECT clicks, bots FROM ledger_windows WHERE "window" = %s', "visits") == [(3, 2)]
    assert imbalance(settings, "visits", "minutes") == []
    more = [*events(30, user="b"), *events(60, user="b", is_bot=True)]
    assert import_files(settings, write_lines(tmp_path / "more.jsonl", more)).loaded.new == 2
    found = select('SELECT user_id, events FROM sessions WHERE "window" = %s ORDER BY user_id', "visits")
    assert found == [("a", 1), ("b", 1)], "a bot's clicks are near, and not of the visit"
    assert select("SELECT count(*) FROM clicks WHERE is_bot") == [(3,)]
    assert imbalance(settings, "visits", "minutes") == []


def test_what_a_click_tells_stays_its_own_whatever_bots_come_between(
    settings: Settings, select: Select, tmp_path: Path
) -> None:
    lines = [
        event
        for second, user in enumerate("abcdef")
        for event in events(second, user=user, page_url=f"/{user}", is_bot=user in "bd")
    ]
    import_files(settings, write_lines(tmp_path / "clicks.jsonl", lines))
    told = [("a", "/a"), ("c", "/c"), ("e", "/e"), ("f", "/f")]
    assert select('SELECT user_id, entry_url FROM sessions WHERE "window" = %s ORDER BY 1', "visits") == told
    assert select("SELECT user_id FROM clicks WHERE page_url = '/' || user_id ORDER BY 1") == [(c,) for c in "abcdef"]


def test_with_sessions_of_bots_they_are_as_people(settings: Settings, select: Select, tmp_path: Path) -> None:
    mine = settings.model_copy(update={"sessions_of_bots": True})
    for name, second in (("one", 0), ("two", 60)):
        file = write_lines(tmp_path / f"{name}.jsonl", events(second, is_bot=True))
        assert import_files(mine, file).loaded.new == 1
    assert select('SELECT events FROM sessions WHERE "window" = %s', "visits") == [(2,)]
    assert select("SELECT count(*) FROM clicks WHERE is_bot") == [(2,)]
    assert imbalance(mine, "visits", "minutes") == []


def test_rejected_rows_are_kept_once_with_their_place(settings: Settings, select: Select, tmp_path: Path) -> None:
    file = tmp_path / "clicks.csv"
    file.write_text(
        "user_id,device_id,client_event,client_timestamp\n64,mobile,x,2021-02-26T13:31:00\n65,mobile,,1\n66,m,,\n67\n68,m,x,y\n"
    )
    for _ in range(2):
        report = import_files(settings, file, form=FileFormat.csv)
        assert (report.accepted, report.rejected) == (1, 4)
    found = select("SELECT source, code FROM rejected_events ORDER BY source")
    assert found == [
        ("import clicks.csv line 5", "malformed_line"),
        ("import clicks.csv row 2", "invalid_field"),
        ("import clicks.csv row 3", "invalid_field"),
        ("import clicks.csv row 4", "invalid_time"),
    ]
    assert imbalance(settings, "visits", "minutes") == []


@pytest.mark.parametrize("form", list(FileFormat))
def test_a_file_of_another_format_is_said_with_its_name(settings: Settings, tmp_path: Path, form: FileFormat) -> None:
    file = tmp_path / "rubbish"
    file.write_bytes(b"\x00\xff rubbish,\n" * 3)
    with pytest.raises(InvalidInput, match=r"rubbish"):
        import_files(settings, file, form=form)


def test_files_are_called_by_their_names_unless_two_have_the_same(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.csv").touch()
    (tmp_path / "y.csv").touch()
    files = [str(tmp_path / name) for name in ("a/x.csv", "b/x.csv", "y.csv")]
    assert [name for name, _ in named(files)] == [files[0], files[1], "y.csv"]
    with pytest.raises(InvalidInput, match="is not there"):
        named(["/nowhere/x.csv"])


# Processes


async def test_the_log_is_imported_once_whatever_is_done_again(
    start: Start, select: Select, database: "psycopg.Connection[Any]", access_log: Path
) -> None:
    first = start("cli", "import", "--format", "combined", str(access_log))
    assert await first.ended() == 0, first.output
    assert "read 9,999 clicks: 9,999 new, 0 known already; rejected 1" in first.output
    assert "visits: 3,223 sessions, 0 changed, 0 taken back" in first.output
    before = tables(database)
    again = start("cli", "import", "--format", "combined", str(access_log))
    assert await again.ended() == 0, again.output
    assert "read 9,999 clicks: 0 new, 9,999 known already; rejected 1" in again.output
    assert tables(database) == before
    assert select("SELECT count(*), sum(events) FROM sessions WHERE \"window\" = 'visits'") == [(3_223, 9_999)]


def many(count: int) -> list[Click]:
    return [click(MONDAY_S + 7 * number, user=str(number % 5_000), event_id=None) for number in range(count)]


def left_behind(folder: Path) -> list[Path]:
    return list(folder.glob("clickloom-import-*"))


async def more_clicks(process: Process, select: Select, *, than: int) -> None:
    async def come() -> bool:
        return not process.alive or select("SELECT count(*) FROM clicks")[0][0] > than

    await until(come)


async def test_after_kills_in_the_middle_another_import_makes_it_whole(
    start: Start, select: Select, settings: Settings, database: "psycopg.Connection[Any]", tmp_path: Path
) -> None:
    clicks = many(60_000)
    file = write_lines(tmp_path / "clicks.jsonl", map(event_of, clicks))
    done = 0
    for _ in range(2):
        process = start("cli", "import", str(file), "--processes", "2", TMPDIR=str(tmp_path))
        await more_clicks(process, select, than=done)
        process.kill()
        done = select("SELECT count(*) FROM clicks")[0][0]
        if done == len(clicks):
            break
    assert done > 0
    last = start("cli", "import", str(file), "--processes", "2", TMPDIR=str(tmp_path))
    assert await last.ended() == 0, last.output
    assert select("SELECT count(*), count(DISTINCT event_id) FROM clicks") == [(len(clicks), len(clicks))]
    assert sessions_in(database, "visits") == batch_answer(clicks, VISITS)
    assert await asyncio.to_thread(imbalance, settings, "visits", "minutes") == []
    assert left_behind(tmp_path) == [], "what killed ones left is removed"


async def test_interrupted_it_ends_cleanly_and_another_one_loads_the_rest(
    start: Start, select: Select, tmp_path: Path
) -> None:
    clicks = many(40_000)
    file = write_lines(tmp_path / "clicks.jsonl", map(event_of, clicks))
    process = start("cli", "import", str(file), "--processes", "2", TMPDIR=str(tmp_path))

    await more_clicks(process, select, than=0)
    process.signal(signal.SIGINT)
    assert await process.ended() == 130
    assert process.output.strip() == "interrupted; what is loaded stays, and the same import again loads the rest"
    assert left_behind(tmp_path) == []
    again = start("cli", "import", str(file))
    assert await again.ended() == 0, again.output
    assert select("SELECT count(*), count(DISTINCT event_id) FROM clicks") == [(len(clicks), len(clicks))]


async def test_two_at_once_do_not_both_run(start: Start, database: "psycopg.Connection[Any]", access_log: Path) -> None:
    database.execute("SELECT pg_advisory_lock(x'636c6b69'::int)")
    process = start("cli", "import", "--format", "combined", str(access_log))
    assert await process.ended() == 1
    assert process.output == ("clickloom: another import runs on this database: wait until it has ended\n")


@pytest.mark.parametrize(
    ("arguments", "settings_", "said"),
    [
        (("nothing.csv",), {}, "nothing.csv is not there"),
        (("--map", "x"), {}, "write FIELD=COLUMN"),
        ((), {"DATABASE_URL": "postgresql://postgres@127.0.0.1:1/x"}, "PostgreSQL of DATABASE_URL"),
    ],
)
async def test_what_cannot_work_is_said_in_one_line(
    start: Start, tmp_path: Path, arguments: tuple[str, ...], settings_: dict[str, str], said: str
) -> None:
    file = write_lines(tmp_path / "clicks.jsonl", events(0))
    process = start("cli", "import", str(file), *arguments, **settings_)
    assert await process.ended() == 1
    [line] = process.output.splitlines()
    assert line.startswith("clickloom: ")
    assert said in line


# Next to live traffic


async def published(redis: Redis, settings: Settings, *clicks: Click) -> None:
    publisher = Publisher(redis, keys=Keys(settings.namespace), partitions=settings.partitions)
    await publisher.publish(clicks, arrival_us=now_us())


def at(minutes: float, user: str, **more: Any) -> Click:
    """A click so many minutes ago."""
    return click((now_us() - minutes * MINUTE_US) / SECOND_US, user=user, **more)


async def watermark(redis: Redis, settings: Settings, select: Select, *, minutes_ago: float) -> None:
    """Move all partitions' watermarks, and wait until Postgres knows."""
    publisher = Publisher(redis, keys=Keys(settings.namespace), partitions=settings.partitions)
    moment_us = now_us() - round(minutes_ago * MINUTE_US)
    await publisher.end_input(watermark_us=moment_us, arrival_us=now_us())

    async def known() -> bool:
        query = "SELECT count(*), min(watermark) FROM stream_cursors WHERE watermark IS NOT NULL"
        [(partitions, least)] = select(query)
        return bool(
            partitions == len(settings.parsed_windows()) * settings.partitions and from_datetime(least) >= moment_us
        )

    await until(known)


async def test_what_live_traffic_can_still_change_is_left_and_taken_when_it_cannot(
    start: Start, redis: Redis, settings: Settings, select: Select, database: "psycopg.Connection[Any]", tmp_path: Path
) -> None:
    """Of one visitor an old visit and one that is going on, of another an old one; the file has more of both."""
    live = [at(800, "old"), at(220, "busy"), at(210, "busy"), at(205, "other")]
    history = [at(810, "old"), at(2_200, "busy"), at(225, "busy"), at(500, "new"), at(320, "new")]
    file = write_lines(tmp_path / "clicks.jsonl", map(event_of, history))
    only = {"WINDOWS": "visits = session(gap=30m)"}  # rows of the other stay open for a minute on the clock
    settings = settings.model_copy(update={"windows": only["WINDOWS"]})
    start("sessionizer", **only)
    start("persister", **only)
    for one in live:
        await published(redis, settings, one)
    await watermark(redis, settings, select, minutes_ago=204)

    taken = start("cli", "import", str(file), "--processes", "1", **only)
    assert await taken.ended() == 1, "something is left out"
    [left] = [line for line in taken.output.splitlines() if line.startswith("left out")]
    assert left.startswith("left out 1 clicks of visits that end after"), taken.output
    assert "run the same import again after" in left
    assert select("SELECT count(*) FROM clicks") == [(len(live) + len(history) - 1,)]
    assert await asyncio.to_thread(imbalance, settings, "visits") == []

    await watermark(redis, settings, select, minutes_ago=0)
    again = start("cli", "import", str(file), "--processes", "1", **only)
    assert await again.ended() == 0, again.output
    assert "visits: 0 sessions, 1 changed, 1 taken back" in again.output
    assert sessions_in(database, "visits") == batch_answer([*live, *history], VISITS)
    assert await asyncio.to_thread(imbalance, settings, "visits") == []


async def test_events_that_came_live_are_known_with_and_without_an_id(
    start: Start, redis: Redis, settings: Settings, select: Select, tmp_path: Path
) -> None:
    start("sessionizer")
    start("persister")
    await published(redis, settings, at(600, "a", event_id="e1"), at(300, "b", event_id="made-by-the-server"))
    await watermark(redis, settings, select, minutes_ago=0)
    [(moment,)] = select("SELECT client_timestamp FROM clicks WHERE user_id = 'b'")
    told = {"device_id": "computer", "client_event": "beer_products"}
    lines = [
        {"user_id": "a", "event_id": "e1", "client_timestamp": moment.isoformat(), **told},
        {"user_id": "b", "client_timestamp": moment.isoformat(), **told},
    ]
    report = await asyncio.to_thread(import_files, settings, write_lines(tmp_path / "clicks.jsonl", lines))
    assert (report.loaded.new, report.loaded.known) == (0, 2)


async def test_the_ledger_balances_while_history_is_imported_beside_live_traffic(
    start: Start, select: Select, settings: Settings, access_log: Path
) -> None:
    for service in ("sessionizer", "persister"):
        start(service)
    generator = start("generator", "--rate", "300", "--count", "1500", "--history", "10m", "--late", "0.02")
    first = start("cli", "import", "--format", "combined", str(access_log))
    assert await first.ended() == 0, first.output
    assert await generator.ended() == 0, generator.output
    assert await start("cli", "import", "--format", "combined", str(access_log)).ended() == 0
    ledger = start("cli", "ledger", "--wait", "60", "--json")
    assert await ledger.ended() == 0, ledger.output
    found = json.loads(ledger.output)
    assert (found["settled"], found["balanced"]) == (True, True)
    assert found["received"] == 10_000 + select("SELECT count(*) FROM clicks WHERE partition >= 0")[0][0]
    visits = next(window for window in found["windows"] if window["window"] == "visits")
    assert visits["clicks"] == select("SELECT count(*) FROM clicks")[0][0]
