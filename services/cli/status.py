"""`clickloom status`: every stream and its readers, who serves them, and what is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from redis.asyncio import Redis
from rich.console import Console, Group
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from clickloom.connect import libpq_url, memory_of
from clickloom.keys import Keys
from clickloom.layout import PERSISTER, TRIGGERS, Layout, read_layout
from clickloom.memory import HighWater
from clickloom.settings import Settings
from clickloom.streams import as_bytes, readers_of
from clickloom.times import MINUTE_US, SECOND_US, from_datetime, iso, now_us
from clickloom.windows.watermark import NEVER_US
from services.cli.archive import ArchiveStatus, archive_trouble, read_archive


@dataclass(slots=True, kw_only=True)
class ReaderRow:
    """One reader of one stream."""

    stream: str
    length: int
    reader: str
    lag: int | None  # entries; None: unknown, or the reader has no group there
    owner: str | None = None
    watermark: str | None = None
    last_commit: str | None = None


@dataclass(slots=True, kw_only=True)
class Status:
    """What `--json` prints."""

    as_of: str
    partitions: int
    windows: dict[str, str]
    memory_bytes: int
    memory_limit_bytes: int | None
    sessionizers: list[str]
    persister_runs: bool | None  # None: Postgres does not answer
    readers: list[ReaderRow]
    triggers_run: bool | None = None  # None: nobody has ever started them, or Postgres does not answer
    dead_webhooks: int = 0  # of triggers, which are not tried any more
    archive: ArchiveStatus | None = None  # None: there is none, or Postgres does not answer
    ingest_closed: str = ""  # why, for want of memory; empty: it is open
    troubles: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Persisted:
    """What Postgres tells of the persister."""

    runs: bool
    triggers_run: bool
    commits: dict[tuple[str, str], tuple[datetime, datetime | None]]  # (reader, stream) → (last commit, watermark)
    dead_webhooks: int
    archive: ArchiveStatus | None


async def read_status(redis: Redis, settings: Settings) -> Status:
    """Raises InvalidSetting if nothing was ever laid out in this Redis."""
    keys = Keys(settings.namespace)
    layout = await read_layout(redis, keys)
    memory = await memory_of(redis)
    high_water = HighWater(settings.redis_high_water)
    high_water.see(memory)
    workers: Any = await redis.zrange(keys.workers(), 0, -1)
    persisted = await _persisted(settings.database_url)
    rows = [row for number in range(layout.partitions) for row in await _partition(redis, keys, layout, number)]
    _add_persisted(rows, persisted)
    status = Status(
        as_of=iso(now_us()),
        partitions=layout.partitions,
        windows=layout.windows,
        memory_bytes=sum(server["used_memory"] for server in memory),
        memory_limit_bytes=sum(server["maxmemory"] for server in memory) or None,
        sessionizers=[as_bytes(name).decode() for name in workers],
        persister_runs=persisted.runs if persisted else None,
        readers=rows,
        triggers_run=persisted.triggers_run if persisted and layout.triggered else None,
        dead_webhooks=persisted.dead_webhooks if persisted else 0,
        archive=persisted.archive if persisted else None,
        ingest_closed=high_water.trouble,
    )
    status.troubles = list(find_troubles(status, configured={window.name for window in settings.parsed_windows()}))
    return status


async def _partition(redis: Redis, keys: Keys, layout: Layout, number: int) -> list[ReaderRow]:
    rows: list[ReaderRow] = []
    for stream, readers in layout.streams(keys, number).items():
        rows += await _stream(redis, stream, readers)
    for row in rows:
        if row.reader in layout.windows:
            await _add_window(redis, keys, row, number)
    return rows


async def _stream(redis: Redis, stream: str, expected: set[str]) -> list[ReaderRow]:
    length = int(await redis.xlen(stream))
    lags = {reader.name: reader.lag for reader in await readers_of(redis, stream)}
    names = sorted({*lags, *expected})
    return [ReaderRow(stream=stream, length=length, reader=name, lag=lags.get(name)) for name in names]


async def _add_window(redis: Redis, keys: Keys, row: ReaderRow, number: int) -> None:
    token = await redis.get(keys.lease(row.reader, number))
    row.owner = as_bytes(token).decode().partition(":")[2] if token else None
    watermark, committed = await redis.hmget(keys.progress(row.reader, number), ["watermark_us", "committed_us"])
    row.watermark = iso(int(watermark)) if watermark and int(watermark) != NEVER_US else None
    row.last_commit = iso(int(committed)) if committed else None


async def _persisted(database_url: str) -> Persisted | None:
    """None: Postgres does not answer, or was never migrated."""
    url = libpq_url(database_url, application_name="clickloom-status")
    try:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=5, autocommit=True) as connection:
            cursors = await connection.execute(_CURSORS, [PERSISTER, TRIGGERS])
            commits = {(row[0], row[1]): (row[2], row[3]) for row in await cursors.fetchall()}
            [(dead,)] = await (await connection.execute(_DEAD)).fetchall()
            runs, triggers_run = await _runs(connection, PERSISTER), await _runs(connection, TRIGGERS)
            return Persisted(runs, triggers_run, commits, dead, await read_archive(connection))
    except psycopg.Error:
        return None


_CURSORS = """
SELECT %s, stream, updated_at, watermark FROM stream_cursors
UNION ALL SELECT %s, stream, updated_at, NULL FROM trigger_cursors
"""
_DEAD = "SELECT count(*) FROM trigger_firings WHERE state = 'dead'"


async def _runs(connection: "psycopg.AsyncConnection[Any]", reader: str) -> bool:
    found = await connection.execute(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND datname = current_database() LIMIT 1",
        [f"clickloom-{reader}"],
    )
    return await found.fetchone() is not None


def _add_persisted(rows: list[ReaderRow], persisted: Persisted | None) -> None:
    for row in rows:
        if persisted and (row.reader, row.stream) in persisted.commits:
            committed, watermark = persisted.commits[row.reader, row.stream]
            row.last_commit = iso(from_datetime(committed))
            row.watermark = iso(from_datetime(watermark)) if watermark else None


def find_troubles(status: Status, *, configured: set[str]) -> Iterator[str]:
    """One line each, with the remedy. `configured`: the windows in the settings."""
    if status.ingest_closed:
        yield f"ingest is closed: {status.ingest_closed}; start what reads, or raise maxmemory"
    for window in sorted(status.windows):
        rows = [row for row in status.readers if row.reader == window]
        unserved = [row.stream for row in rows if row.owner is None]
        if window not in configured:
            yield (
                f"{window} is registered but not in WINDOWS: {_waiting(rows)}; put it back, or"
                f" `clickloom readers remove {window}`"
            )
        elif unserved:
            yield f"{window} is not served in {_some(unserved)}: {_waiting(rows)}; start a sessionizer"
    persister = [row for row in status.readers if row.reader == PERSISTER]
    if persister and status.persister_runs is None:
        yield "Postgres does not answer: when the persister committed is unknown; check DATABASE_URL"
    if persister and status.persister_runs is False:
        yield f"the persister does not run: {_waiting(persister)}; start it, or `clickloom readers remove {PERSISTER}`"
    if status.triggers_run is False:
        waiting = _waiting([row for row in status.readers if row.reader == TRIGGERS])
        yield f"the triggers do not run: {waiting}; start them, or `clickloom readers remove {TRIGGERS}`"
    if status.dead_webhooks:
        yield (
            f"{status.dead_webhooks:,} webhooks could not be delivered: `clickloom triggers dead` says why,"
            " `clickloom triggers retry` sends them again"
        )
    if status.archive and (trouble := archive_trouble(status.archive)):
        yield trouble
    for name in sorted({row.reader for row in status.readers} - {*status.windows, PERSISTER, TRIGGERS}):
        rows = [row for row in status.readers if row.reader == name]
        yield (
            f"{name} is nobody of Clickloom's: {_waiting(rows)}; if it is not needed, `clickloom readers remove {name}`"
        )
    lost = [row for row in status.readers if row.lag is None]
    if lost:
        yield f"{_some([row.stream for row in lost])} cannot tell how far {lost[0].reader} is: restart a sessionizer"


def _waiting(rows: list[ReaderRow]) -> str:
    waiting = sum(row.lag or 0 for row in rows)
    return f"{waiting:,} entries wait for it and are not trimmed" if waiting else "nothing waits for it yet"


def _some(streams: list[str]) -> str:
    return streams[0] if len(streams) == 1 else f"{streams[0]} and {len(streams) - 1} more"


def print_status(status: Status, console: Console) -> None:
    console.print(
        Group(_head(status), _table(status), *(Text(f"! {trouble}", "bold red") for trouble in status.troubles))
    )


def _head(status: Status) -> Text:
    limit = f" of {decimal(status.memory_limit_bytes)}" if status.memory_limit_bytes else ", no limit"
    windows = "; ".join(f"{name} = {text}" for name, text in sorted(status.windows.items()))
    lines = [
        f"{status.partitions} partitions · {windows}",
        f"Redis memory {decimal(status.memory_bytes)}{limit}",
        f"sessionizers: {', '.join(status.sessionizers) or 'none'}",
    ]
    if status.archive:
        lines.append(_archive_line(status.archive, status.as_of))
    return Text("\n".join(lines))


def _archive_line(archive: ArchiveStatus, as_of: str) -> str:
    tables = [
        f"{row.table} {row.rows_written:,} rows, last {_age(row.last_written, as_of)}"
        + (", earlier ones still to come" if row.first_to_write else "")
        for row in archive.tables
    ]
    return f"archive {archive.tables[0].place}: {' · '.join(tables)}"


def _table(status: Status) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("stream", "length", "reader", "lag", "owner", "watermark", "last commit"):
        table.add_column(name, justify="right" if name in ("length", "lag") else "left", no_wrap=True)
    before = None
    for row in sorted(status.readers, key=lambda row: (row.stream.split("{")[0], _number(row.stream), row.reader)):
        first = row.stream != before
        before = row.stream
        served = row.owner or ("not served" if row.reader in status.windows else "")
        table.add_row(
            row.stream if first else "",
            f"{row.length:,}" if first else "",
            row.reader,
            Text("?" if row.lag is None else f"{row.lag:,}", "" if row.lag == 0 else "yellow"),
            Text(served, "" if row.owner else "bold red"),
            row.watermark or "",
            _age(row.last_commit, status.as_of),
        )
    return table


def _number(stream: str) -> int:
    return int(stream.rpartition("{")[2].rstrip("}"))


def _age(moment: str | None, as_of: str) -> str:
    """`0.3 s ago`, `4 min ago`."""
    if moment is None:
        return ""
    age_us = from_datetime(datetime.fromisoformat(as_of)) - from_datetime(datetime.fromisoformat(moment))
    seconds = max(0.0, age_us / SECOND_US)
    return f"{seconds:.1f} s ago" if age_us < MINUTE_US else f"{seconds / 60:,.0f} min ago"
