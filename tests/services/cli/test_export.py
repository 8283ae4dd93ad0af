"""`clickloom export`: hours into files, the same files each time, that hold what the tables hold."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from tests.conftest import Select
from tests.lake.s3 import BUCKET, SECRET, serving_s3
from tests.processes import Start, until

ROWS = 5_000
HOURS = 5

CLICKS = """
INSERT INTO clicks (arrived_at, entry_ms, entry_seq, partition, entry_row, client_timestamp, is_bot, event_id, site_id,
    user_id, device_id, device_type, client_event, page_url, experiments, revenue)
SELECT t, extract(epoch FROM t) * 1000, 0, i % 8, i % 500, t - interval '1.5 s', false, 'e' || i, 'default', i % 500,
    'computer', 'other', 'it''s, "näh"' || chr(10), CASE WHEN i % 3 = 0 THEN '' WHEN i % 3 = 1 THEN 'u' END,
    CASE WHEN i % 2 = 0 THEN '{"a": "b,\\"c"}'::jsonb END, CASE WHEN i % 5 = 0 THEN 12.5 END
FROM (SELECT i, timestamptz '2021-02-26 22:00+00' + i * interval '3.6 s' AS t FROM generate_series(0, %s) i) AS made
"""
SESSIONS = """
INSERT INTO sessions (session_uid, begin_session, end_session, timeagg, duration_sec, events, orders, version, told_ms,
    told_seq, rollbacks, path_truncated, converted, bounced, "window", site_id, user_id, device_id, device_type,
    session_id, begin_navigation, end_navigation, closed_by, revenue, path, path_offsets_us)
SELECT gen_random_uuid(), t, t, t, 0, 2, 1, 1, 0, 0, 0, false, false, false, (ARRAY['visits', 'minutes'])[1 + i % 2],
    'default', i, 'computer', 'computer', 'S' || i, 'a', 'b', 'gap', 10 ^ 20 + i, ARRAY['a', 'b " c'],
    ARRAY[0, i * 10000000000]
FROM (SELECT i, timestamptz '2021-02-26 22:00+00' + i * interval '3.6 s' AS t FROM generate_series(0, %s) i) AS made
"""


@pytest.fixture(autouse=True)
def stored(database: "psycopg.Connection[tuple[Any, ...]]") -> None:
    for statement in (CLICKS, SESSIONS):
        database.execute(statement.replace("%s", str(ROWS - 1)).encode())


def export(environment: dict[str, str], *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "services.cli", "export", *arguments]
    return subprocess.run(command, env={**environment, **more}, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, str]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def ask(query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(query).fetchall()


FORMS = pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])


@FORMS
def test_duckdb_finds_in_every_format_what_is_in_postgres(
    environment: dict[str, str], tmp_path: Path, select: Select, form: str
) -> None:
    made = export(environment, "--format", form, str(tmp_path))
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1] == f"{ROWS:,} rows in {HOURS} files"
    assert made.stdout.splitlines()[0].startswith(f"clicks/year=2021/month=02/day=26/hour=22/clicks.{form}  1,000 rows")
    source = {
        "parquet": f"read_parquet('{tmp_path}/clicks/**/*.parquet')",
        "csv": f"read_csv('{tmp_path}/clicks/**/*.csv', types = {{'revenue': 'DECIMAL(18,6)'}})",
        "jsonl": f"read_json('{tmp_path}/clicks/**/*.jsonl')",
    }[form]
    sums = (
        "count(*), count(page_url), count(experiments), count(DISTINCT client_event), min(arrived_at), max(arrived_at)"
    )
    [(revenue,)] = ask(f"SELECT sum(revenue) FROM {source}")
    assert revenue == ROWS // 5 * 12.5
    assert _empty_is_null(form, ask(f"SELECT {sums} FROM {source}")) == _empty_is_null(
        form, select(f"SELECT {sums} FROM clicks")
    )
    assert ask(f"SELECT DISTINCT client_event FROM {source}") == select("SELECT DISTINCT client_event FROM clicks")


def _empty_is_null(form: str, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """DuckDB reads an empty text of CSV as none, quoted or not."""
    return [(*row[:1], *row[2:]) if form == "csv" else row for row in rows]


def test_types_of_parquet_are_those_of_the_tables(environment: dict[str, str], tmp_path: Path, select: Select) -> None:
    for table in ("clicks", "sessions"):
        assert export(environment, "--table", table, str(tmp_path)).returncode == 0
    source = f"read_parquet('{tmp_path}/sessions/**/*.parquet')"
    types = {row[0]: row[1] for row in ask(f"DESCRIBE SELECT * FROM {source}")}
    assert types["path"] == "VARCHAR[]"
    assert types["path_offsets_us"] == "BIGINT[]"
    assert types["revenue"] == "DECIMAL(38,6)"
    assert types["begin_session"] == "TIMESTAMP WITH TIME ZONE"
    assert types["experiments"] == types["session_uid"] == "VARCHAR"
    columns = (
        'session_uid::text, begin_session, "window", revenue, path, path_offsets_us, converted, utm_source, orders'
    )
    assert ask(f"SELECT {columns} FROM {source} ORDER BY 1") == select(f"SELECT {columns} FROM sessions ORDER BY 1")
    types = {row[0]: row[1] for row in ask(f"DESCRIBE SELECT * FROM '{tmp_path}/clicks/**/*.parquet'")}
    assert types["revenue"] == "DECIMAL(18,6)"
    assert types["entry_ms"] == "BIGINT"


@FORMS
def test_an_export_again_makes_the_same_files(environment: dict[str, str], tmp_path: Path, form: str) -> None:
    for table in ("clicks", "sessions"):
        assert export(environment, "--table", table, "--format", form, str(tmp_path / "a")).returncode == 0
    before = contents(tmp_path / "a")
    assert len(before) == 2 * HOURS
    for begin, end in (("2021-02-26T23:00:00Z", "2021-02-27T01:00:00Z"), ("2021-02-26", "2021-02-28")):
        made = export(environment, "--format", form, "--from", begin, "--to", end, str(tmp_path / "a"))
        assert made.returncode == 0, made.stderr
    assert contents(tmp_path / "a") == before


def test_only_the_hours_that_are_asked_for_are_written(environment: dict[str, str], tmp_path: Path) -> None:
    made = export(environment, "--from", "2021-02-27T01:00:00+01:00", "--to", "2021-02-27T02:00:00Z", str(tmp_path))
    assert made.stdout.splitlines()[-1] == "2,000 rows in 2 files"
    assert [name.split("/")[3:5] for name in contents(tmp_path)] == [["day=27", "hour=00"], ["day=27", "hour=01"]]
    assert "there are no rows in this time" in export(environment, "--to", "2020-01-01", str(tmp_path)).stdout


async def test_a_bucket_gets_the_same_files_as_a_folder(environment: dict[str, str], tmp_path: Path) -> None:
    async with serving_s3(tmp_path) as s3:
        for place in (str(tmp_path / "a"), f"s3://{BUCKET}/some/where"):
            made = export(environment, place, **s3.environment)
            assert made.returncode == 0, made.stderr
        s3.fetch(tmp_path / "b")
    assert contents(tmp_path / "b/some/where") == contents(tmp_path / "a")


async def test_an_export_that_is_killed_leaves_only_whole_files_and_the_next_one_mends_it(
    environment: dict[str, str], start: Start, tmp_path: Path
) -> None:
    assert export(environment, str(tmp_path / "whole")).returncode == 0
    whole = contents(tmp_path / "whole")
    for signum in (signal.SIGKILL, signal.SIGINT):
        exporting = start("cli", "export", str(tmp_path / "a"))

        async def begun() -> bool:
            return any(name.endswith(".parquet") for name in contents(tmp_path / "a"))

        await until(begun)
        if exporting.alive:
            os.kill(exporting.pid, signum)
        await exporting.ended()
        shown = {name: found for name, found in contents(tmp_path / "a").items() if not Path(name).name.startswith(".")}
        assert shown.items() <= whole.items()
    assert export(environment, str(tmp_path / "a")).returncode == 0
    assert contents(tmp_path / "a") == whole


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--from", "yesterday", "lake"], 2, "'yesterday' is no ISO 8601 time"),
        (["--table", "cliks", "lake"], 2, "'cliks' is not one of"),
        (["--format", "orc", "lake"], 2, "'orc' is not one of"),
        ([], 2, "Missing argument"),
        (["--from", "2021-02-27", "--to", "2021-02-26", "lake"], 1, "--from must be before --to"),
        (["--from", "2021-02-27T10:30", "lake"], 1, "write 2021-02-27T10:00:00Z"),
        (["ftp://lake"], 1, "is no place for files"),
        (["/proc/lake"], 1, "/proc/lake cannot be written: No such file or directory"),
        (["lake/"], 1, "lake is ARCHIVE_URL: its rows would be there twice"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    environment: dict[str, str], tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    archive = str(Path.cwd() / "lake")
    if arguments and arguments[-1] == "lake":
        arguments = [*arguments[:-1], str(tmp_path)]
    made = export(environment, *arguments, ARCHIVE_URL=archive, COLUMNS="200")
    assert made.returncode == code
    assert told in made.stderr
    assert "Traceback" not in made.stderr
    assert code == 2 or len(made.stderr.splitlines()) == 1


async def test_a_bucket_that_is_not_there_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    async with serving_s3(tmp_path, bucket=False) as s3:
        made = export(environment, f"s3://{BUCKET}", **s3.environment)
    assert made.returncode == 1
    [line] = made.stderr.splitlines()
    assert "there is no such bucket" in line
    assert SECRET not in made.stderr


def test_a_database_that_is_away_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    made = export(environment, str(tmp_path), DATABASE_URL="postgresql://nobody:hidden@127.0.0.1:1/x")
    assert made.returncode == 1
    [line] = made.stderr.splitlines()
    assert "the PostgreSQL of DATABASE_URL does not answer" in line
    assert "hidden" not in line
