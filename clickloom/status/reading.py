"""Reads the status out of Redis and Postgres."""

from collections.abc import Collection
from typing import Any

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.connect import memory_of
from clickloom.database import open_database
from clickloom.keys import Keys
from clickloom.layout import Layout, read_layout
from clickloom.memory import Amount, HighWater
from clickloom.settings import Settings
from clickloom.status.persisted import Persisted, read_persisted
from clickloom.status.status import ReaderRow, Status
from clickloom.status.troubles import find_troubles
from clickloom.streams import as_bytes, readers_of
from clickloom.times import from_datetime, iso, now_us
from clickloom.windows.watermark import NEVER_US


async def read_status(redis: Redis, settings: Settings) -> Status:
    """With a connection of its own to Postgres. Raises InvalidSetting if nothing was ever laid out in this Redis."""
    engine = open_database(settings.database_url, application_name="clickloom-status")
    try:
        return await gather_status(
            redis,
            engine,
            keys=Keys(settings.namespace),
            high_water=settings.redis_high_water,
            configured={window.name for window in settings.parsed_windows()},
        )
    finally:
        await engine.dispose()


async def gather_status(
    redis: Redis, engine: AsyncEngine, *, keys: Keys, high_water: Amount, configured: Collection[str]
) -> Status:
    """configured: the windows in the settings. Raises InvalidSetting if nothing was ever laid out, and RedisError."""
    layout = await read_layout(redis, keys)
    memory = await memory_of(redis)
    mark = HighWater(high_water)
    mark.see(memory)
    workers: Any = await redis.zrange(keys.workers(), 0, -1)
    persisted = await read_persisted(engine)
    rows = [row for number in range(layout.partitions) for row in await _partition(redis, keys, layout, number)]
    _add_persisted(rows, persisted)
    status = Status(
        as_of=iso(now_us()),
        partitions=layout.partitions,
        windows=layout.windows,
        memory_bytes=sum(server["used_memory"] for server in memory),
        memory_limit_bytes=sum(server["maxmemory"] for server in memory) or None,
        memory_level=mark.level,
        sessionizers=[as_bytes(name).decode() for name in workers],
        persister_runs=persisted.runs if persisted else None,
        readers=rows,
        triggers_run=persisted.triggers_run if persisted and layout.triggered else None,
        dead_webhooks=persisted.dead_webhooks if persisted else 0,
        archive=persisted.archive if persisted else None,
        ingest_closed=mark.trouble,
    )
    status.troubles = list(find_troubles(status, configured=configured))
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


def _add_persisted(rows: list[ReaderRow], persisted: Persisted | None) -> None:
    for row in rows:
        if persisted and (row.reader, row.stream) in persisted.commits:
            committed, watermark = persisted.commits[row.reader, row.stream]
            row.last_commit = iso(from_datetime(committed))
            row.watermark = iso(from_datetime(watermark)) if watermark else None
