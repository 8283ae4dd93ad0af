"""Redis, with appendfsync everysec, is killed again and again under traffic; what it still has must come out exact."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from httpx import AsyncClient
from redis.asyncio import Redis

from clickloom.connect import open_redis
from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.status.reading import read_status
from clickloom.streams import START, read_stream
from clickloom.times import now_us
from clickloom.windows.spec import parse_windows
from clickloom.wire import FIELD, decode_batch
from services.cli import ledger
from services.cli.embedded import embedded_valkey
from tests.chaos import log_tail
from tests.chaos.verdict import against_batch
from tests.conftest import Select
from tests.processes import Start, until
from tests.services.api.conftest import serving

EVERYSEC = {"save": "", "appendonly": "yes", "appendfsync": "everysec", "auto-aof-rewrite-percentage": "0"}
KILLS, SENDERS, VISITORS = 4, 8, 200
LOST_BYTES = 20_000  # cut off at the most: some tenths of a second
# Behind a request that waited for Redis as long as ingest lets it: no session closes before its click is there. So
# commits that are made anew close the same ones.
ORDER = {"OUT_OF_ORDERNESS": "6s", "WINDOWS": "visits = session(gap=1s)", "STREAM_RETENTION": "1d"}
BUSY = {"LEASE": "1s", "COMMIT_INTERVAL": "20ms", "BUFFER_SECONDS": "0.05", **ORDER}

Position = tuple[int, int, int, int]  # partition, the entry's id, the row in it


@dataclass
class Traffic:
    """Senders of single events, one request after the other each, that go on while Redis is away."""

    api: AsyncClient
    accepted: list[str] = field(default_factory=list)  # event ids
    sent: set[str] = field(default_factory=set)
    _numbers: "count[int]" = field(default_factory=count)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(self._send(stop))
            yield
            stop.set()

    async def _send(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            event = self._event(next(self._numbers))
            self.sent.add(event["event_id"])
            answer = await self.api.post("/v1/events", json=event)
            assert answer.status_code in (202, 503), answer.text
            if answer.status_code == 202:
                self.accepted.append(event["event_id"])

    @staticmethod
    def user_of(event_id: str) -> str:
        return str(int(event_id.removeprefix("e")) % VISITORS)

    def _event(self, number: int) -> dict[str, Any]:
        who = {"user_id": self.user_of(f"e{number}"), "device_id": "computer", "client_event": "beer_products"}
        return {**who, "event_id": f"e{number}", "client_timestamp": now_us() // 1_000}

    async def accepts(self, more: int) -> None:
        """Wait until so many more events are."""
        before = len(self.accepted)

        async def accepted() -> bool:
            return len(self.accepted) >= before + more

        await until(accepted, what=f"{more} events to be accepted")


@pytest.mark.parametrize("cut", [False, True], ids=["killed", "killed, and the end of its log lost"])
async def test_nothing_is_there_twice_and_all_that_redis_has_is_exact(
    start: Start, settings: Settings, database: "psycopg.Connection[Any]", select: Select, store_folder: Path, cut: bool
) -> None:
    chance = Random(11)
    with embedded_valkey(store_folder, EVERYSEC) as url:
        settings = settings.model_copy(update={"redis_url": url, "windows": ORDER["WINDOWS"]})
    async with serving(settings) as api, open_redis(url) as redis:
        traffic = Traffic(api)
        with embedded_valkey(store_folder, EVERYSEC):
            services = [start(service, REDIS_URL=url, **BUSY) for service in ("sessionizer", "persister")]
            for service in services:
                await service.logged("service.started")
        async with traffic.running():
            for _ in range(KILLS):
                with embedded_valkey(store_folder, EVERYSEC):
                    await traffic.accepts(200)
                    await asyncio.sleep(chance.random() * 0.2)  # anywhere in what all are doing
                    os.kill(int((store_folder / "valkey.pid").read_text()), signal.SIGKILL)
                if cut:
                    log_tail.cut_off(store_folder, chance, least=log_tail.size(store_folder) - LOST_BYTES)
        with embedded_valkey(store_folder, EVERYSEC):
            publisher = Publisher(redis, keys=Keys(settings.namespace), partitions=settings.partitions)
            await publisher.end_input(watermark_us=now_us() + 10**7, arrival_us=now_us())
            await settled(redis, settings)
            there = await stored(redis, settings)
            assert [service.stop() for service in services] == [0, 0]

    rows = select("SELECT partition, entry_ms, entry_seq, entry_row, event_id, user_id FROM clicks")
    written = {row[:4]: row[4] for row in rows}
    assert {at: written.get(at) for at in there} == there, "all that Redis has is in Postgres"
    lost = written.keys() - there.keys()  # by Redis, after Postgres had them
    # Others before, though Postgres may have what a commit that is lost too said of them. Or never taken.
    never_written = traffic.sent - set(there.values()) - set(written.values()) if cut else set()
    found = await ledger.read(settings, None, None, window=None, site_id=None, wait_s=0)
    assert {one.sum for one in found.differences} <= ({"window", "sessions"} if lost or never_written else set())

    hurt = sorted(
        {row[5] for row in rows if row[:4] in lost} | {traffic.user_of(event_id) for event_id in never_written}
    )
    for table in ("clicks", "sessions"):
        database.execute(f"DELETE FROM {table} WHERE user_id = ANY(%s)".encode(), [hurt])
    [visits] = parse_windows(settings.windows)
    assert list(against_batch(database, visits)) == []
    assert select("SELECT count(*) > 100 FROM sessions") == [(True,)], "some are whole"


async def settled(redis: Redis, settings: Settings) -> None:
    async def no_lag() -> bool:
        return all(reader.lag == 0 for reader in (await read_status(redis, settings)).readers)

    await until(no_lag, what="all to be read and written")


async def stored(redis: Redis, settings: Settings) -> dict[Position, str]:
    """The event id at each position of the streams."""
    keys, found = Keys(settings.namespace), dict[Any, str]()
    for number in range(settings.partitions):
        for entry, fields in await read_stream(redis, keys.clicks(number), START, count=100_000, block_ms=None):
            at = map(int, entry.decode().split("-"))
            rows = enumerate(decode_batch(fields[FIELD]).event_ids)
            position = (number, *at)
            found.update(((*position, row), event_id) for row, event_id in rows)
    return found
