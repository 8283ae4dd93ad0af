"""The live feed: one reader of the metrics streams a process, and any number of subscribers."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from clickloom.errors import UndecodableEntry, UnknownVersion
from clickloom.keys import Keys
from clickloom.metrics import LIVE_SUBSCRIBERS
from clickloom.streams import START, read_streams
from clickloom.times import SECOND_US, now_us
from clickloom.wire import FIELD, decode_metrics
from services.api.ticks import Ticker

log = structlog.get_logger()

BACKLOG = 30  # ticks that a slow subscriber may be behind before it is dropped

Tick = dict[str, Any]


class LiveFeed:
    """Ticks once a second for every window."""

    def __init__(self, redis: Redis, *, keys: Keys, partitions: int, backlog: int = BACKLOG) -> None:
        self._redis = redis
        self._backlog = backlog
        self._streams = {keys.metrics(number): number for number in range(partitions)}
        self._cursors: dict[str, str] = {}
        self._tickers: defaultdict[str, Ticker] = defaultdict(Ticker)
        self._subscribers: dict[asyncio.Queue[Tick | None], str] = {}

    @contextlib.asynccontextmanager
    async def running(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """Read and tick as long as the block lasts; every subscription ends when `stop` is set."""
        async with asyncio.TaskGroup() as group:
            work = (self._read(stop), self._tick(), self._close(stop))
            tasks = [group.create_task(part) for part in work]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def _close(self, stop: asyncio.Event) -> None:
        await stop.wait()
        for queue in list(self._subscribers):
            self._end(queue)

    async def subscribe(self, window: str) -> AsyncIterator[Tick]:
        """The window's ticks from now on, until the feed closes or the subscriber is too slow."""
        queue: asyncio.Queue[Tick | None] = asyncio.Queue()
        self._subscribers[queue] = window
        with LIVE_SUBSCRIBERS.track_inprogress():
            try:
                while (tick := await queue.get()) is not None:
                    yield tick
            finally:
                self._subscribers.pop(queue, None)

    def _end(self, queue: asyncio.Queue[Tick | None]) -> None:
        self._subscribers.pop(queue, None)
        queue.put_nowait(None)

    async def _tick(self) -> None:
        while True:
            # A hair past the second: a sleep that ends early would tick twice.
            await asyncio.sleep((SECOND_US - now_us() % SECOND_US) / SECOND_US + 0.005)
            ticks = {window: ticker.take(now_us()) for window, ticker in self._tickers.items()}
            for queue, window in list(self._subscribers.items()):
                if queue.qsize() >= self._backlog:
                    log.warning("subscriber.dropped", reason="too slow")
                    self._end(queue)
                else:
                    queue.put_nowait(ticks.get(window) or self._tickers[window].take(now_us()))

    async def _read(self, stop: asyncio.Event) -> None:
        while not stop.is_set():  # a cancellation can get lost on the way through redis-py
            try:
                if not self._cursors:
                    await self._seed()
                for stream, entries in (await read_streams(self._redis, self._cursors, block_ms=1_000)).items():
                    for entry_id, fields in entries:
                        self._cursors[stream] = entry_id.decode()
                        self._add(self._streams[stream], fields)
            except RedisError as error:
                log.warning("feed.store_away", reason=str(error))
                await asyncio.sleep(1)

    def _add(self, partition: int, fields: dict[bytes, bytes], *, seed: bool = False) -> None:
        try:
            metrics = decode_metrics(fields.get(FIELD, b""))
        except (UndecodableEntry, UnknownVersion) as error:  # numbers to look at: queries and ingest must go on
            log.warning("entry.undecodable", reason=str(error))
            return
        ticker = self._tickers[metrics.window]
        (ticker.seed if seed else ticker.add)(partition, metrics)

    async def _seed(self) -> None:
        """Begin at the streams' ends, knowing how many sessions are open there."""
        cursors = {}
        for stream, partition in self._streams.items():
            entries: Any = await self._redis.xrevrange(stream, count=20)
            for _, fields in reversed(entries):
                self._add(partition, fields, seed=True)
            cursors[stream] = entries[0][0].decode() if entries else START
        self._cursors = cursors  # all or none: if Redis goes away on the way, seed again
