"""Sessions in Postgres as a shop of 27,000 visits a day has them: made once, part by part, kept under `.bench/`.

A week of generated traffic is that of every week, with newcomers of its own in each; `clickloom import` makes sessions
of it. `python -m bench.stored` keeps a server on them until Ctrl-C, for questions by hand.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, cast

import duckdb
import psycopg
import typer

import migrations
from bench.workload import CACHE
from services.cli.embedded import embedded_postgres
from services.persister.day_counter import count, due
from services.persister.partitions import Connection

SITE = "shop"
BEGIN = datetime(2025, 1, 6, tzinfo=UTC)  # a Monday
WEEKS, WEEKS_OF_A_YEAR = 5, 53  # 0.95 million sessions; 10 million
CLICKS_A_WEEK = 1_134_000  # of 189,000 sessions
NEWCOMERS = 1_000_000  # ids that are a week's own
USERS = 400_000  # who come back
PART_WEEKS = 9  # that are imported at once: the clicks of more do not fit the disk of a small machine twice

_COLUMNS = {
    **dict.fromkeys(("site_id", "device_id", "client_event", "event_id", "page_url", "referrer"), "VARCHAR"),
    **dict.fromkeys(("utm_source", "utm_medium", "utm_campaign", "order_id", "currency", "experiments"), "VARCHAR"),
    "user_id": "BIGINT",
    "client_timestamp": "TIMESTAMP",
    "revenue": "DECIMAL(18, 6)",
}


def end_of(weeks: int) -> datetime:
    return BEGIN + timedelta(weeks=weeks)


@contextlib.contextmanager
def stored(weeks: int, folder: Path | None = None) -> Iterator[str]:
    """The URL of a Postgres with that many weeks of sessions, as long as the block lasts."""
    folder = folder or CACHE / f"stored-{weeks}"
    whole = folder / "whole"
    with embedded_postgres(folder) as url:
        migrations.upgrade(url)
        if not whole.exists():
            for first in range(0, weeks, PART_WEEKS):
                imported = folder / f"from-week-{first}"
                if not imported.exists():
                    _import(_weeks(first, min(weeks, first + PART_WEEKS)), url)
                    imported.touch()
            asyncio.run(_count_days(url))
            with psycopg.connect(url, autocommit=True) as database:
                database.execute("VACUUM (ANALYZE)")
            whole.touch()
        yield url


def _import(part: Path, url: str) -> None:
    command = [sys.executable, "-m", "services.cli", "import", str(part)]
    settings = {"DATABASE_URL": url, "WINDOWS": "visits = session(gap=30m)"}
    subprocess.run(command, env={**os.environ, **settings}, check=True)
    part.unlink()


async def _count_days(url: str) -> None:
    """What the persister does when days have come to rest."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as found:
        connection = cast("Connection", found)
        for day in await due(connection, datetime.now(UTC), quiet_s=-1):
            await count(connection, day)


def _weeks(first: int, end: int) -> Path:
    """The clicks of some weeks, as a table."""
    path, week = CACHE / f"weeks-{first}-{end}.parquet", _week()
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false; SET memory_limit = '2GB'")
    changed = f"""* REPLACE (
        client_timestamp + to_days(7 * n::int) AS client_timestamp,
        event_id || n AS event_id,
        order_id || '-' || n AS order_id,
        CASE WHEN user_id > {USERS} THEN user_id + n * {NEWCOMERS} ELSE user_id END AS user_id
    )"""
    read = f"read_json('{week}', format = 'nd', columns = {_COLUMNS})"
    query = f"SELECT {changed} FROM {read}, range({first}, {end}) AS week (n)"
    database.execute(f"COPY (SELECT * EXCLUDE (n) FROM ({query})) TO '{path}' (FORMAT parquet)")
    return path


def _week() -> Path:
    path = CACHE / "week.jsonl"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        made = path.with_suffix(".part")
        traffic = ["--seed", "7", "--rate", "1.875", "--count", str(CLICKS_A_WEEK), "--users", str(USERS)]
        habits = ["--bounces", "0.05", "--conversion", "0.35"]  # six clicks a visit
        place = ["--site", SITE, "--start", BEGIN.isoformat(), "--out", str(made)]
        subprocess.run([sys.executable, "-m", "services.generator", *traffic, *habits, *place], check=True)
        made.rename(path)
    return path


def keep(
    weeks: Annotated[int, typer.Option(min=1, help=f"{WEEKS_OF_A_YEAR} are 10 million sessions")] = WEEKS,
    folder: Annotated[Path | None, typer.Option(help="where the data is; .bench/ if not named")] = None,
) -> None:
    """Keep a server on the sessions until Ctrl-C; its URL is on standard output."""
    with stored(weeks, folder) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    typer.run(keep)
