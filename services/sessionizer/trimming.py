"""Trims streams up to what every registered reader has committed, never by length.

Whoever serves a partition under the first window trims the partition's streams. That needs no fence: cursors only move
ahead, so one who has lost the partition unawares trims less than he may, never more.
"""

from collections.abc import Collection, Iterable

import structlog
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.layout import read_layout
from clickloom.live import ACTIVE_KEPT_US, METRICS_KEPT_US
from clickloom.metrics import LAG
from clickloom.pressure import Pressure
from clickloom.streams import Reader, next_id, readers_of, split_id, trim_to
from clickloom.times import MINUTE_US, now_us

log = structlog.get_logger()

UNREAD_KEPT_MS = 60 * MINUTE_US // 1_000  # of streams that nobody is to store
ROOMY = 0.5  # of the mark at which ingest is closed: beyond it live streams must do with little
LITTLE_MS = 5_000  # so that whoever follows them live still finds everything


def least_kept(readers: Iterable[Reader], *, now_ms: int, retention_ms: int) -> str:
    """The id of the first entry that stays: after the least cursor, and younger than the retention."""
    unread = [next_id(reader.cursor) for reader in readers]
    young = [f"{max(0, now_ms - retention_ms)}-0"] if retention_ms else []
    return min(unread + young, key=split_id)


class Trimmer:
    """Trims the streams of partitions. Entries are as old as their ids say, which are of Redis' clock."""

    def __init__(self, redis: Redis, *, keys: Keys, pressure: Pressure, retention_us: int, live_us: int) -> None:
        """retention_us: for whoever reads the streams; live_us: for live streams, as long as Redis has room."""
        self._redis = redis
        self._keys = keys
        self._pressure = pressure
        self._kept_ms = retention_us // 1_000
        self._live_ms = live_us // 1_000
        self._retention_ms = self._kept_ms
        self._trimmed: dict[str, str] = {}  # stream → up to where
        self._held_up: set[str] = set()
        self._told: dict[str, set[str]] = {}  # stream → readers whose lag this process tells

    async def trim(self, partitions: Collection[int]) -> None:
        """Once, every stream of these partitions; and tell how far their readers are, of these and no others."""
        streams = await self._trim(partitions) if partitions else set()
        for stream in self._told.keys() - streams:
            self._tell(stream, [])
            del self._told[stream]

    async def _trim(self, partitions: Collection[int]) -> set[str]:
        """The streams that have readers."""
        layout = await read_layout(self._redis, self._keys)
        await self._pressure.look()
        roomy = self._pressure.level < ROOMY
        self._retention_ms = max(self._kept_ms, self._live_ms if roomy else min(self._live_ms, LITTLE_MS))
        now_ms = now_us() // 1_000
        read: set[str] = set()
        for number in partitions:
            for stream, readers in layout.streams(self._keys, number).items():
                await self._trim_read(stream, readers, now_ms=now_ms)
                read.add(stream)
            await self._trim_to(self._keys.metrics(number), f"{now_ms - METRICS_KEPT_US // 1_000}-0")
            await self._trim_to(self._keys.active(number), f"{now_ms - ACTIVE_KEPT_US // 1_000}-0")
        return read

    async def _trim_read(self, stream: str, expected: set[str], *, now_ms: int) -> None:
        readers = await readers_of(self._redis, stream)
        self._tell(stream, readers)
        missing = expected - {reader.name for reader in readers}
        if missing:
            await self._hold_up(stream, missing)
            return
        self._held_up.discard(stream)
        retention_ms = self._retention_ms if readers else max(self._retention_ms, UNREAD_KEPT_MS)
        await self._trim_to(stream, least_kept(readers, now_ms=now_ms, retention_ms=retention_ms))

    def _tell(self, stream: str, readers: Iterable[Reader]) -> None:
        lags = {reader.name: reader.lag for reader in readers if reader.lag is not None}
        for name in self._told.get(stream, set()) - lags.keys():
            LAG.remove(stream, name)
        for name, lag in lags.items():
            LAG.labels(stream, name).set(lag)
        self._told[stream] = set(lags)

    async def _hold_up(self, stream: str, missing: set[str]) -> None:
        if stream not in self._held_up and await self._redis.xlen(stream):
            log.error("trim.held_up", stream=stream, missing=sorted(missing), remedy="restart a sessionizer")
            self._held_up.add(stream)

    async def _trim_to(self, stream: str, first_kept: str) -> None:
        if self._trimmed.get(stream) == first_kept:
            return
        await trim_to(self._redis, stream, first_kept)
        self._trimmed[stream] = first_kept
