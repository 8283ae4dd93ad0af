"""The ledger on real stores: it balances whatever comes again, and finds whatever is not where it should be."""

from collections.abc import Callable, Iterator
from datetime import datetime
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.click import Click
from clickloom.keys import Keys, partition_of
from clickloom.layout import lay_out
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.streams import START, as_bytes, read_stream
from clickloom.times import MINUTE_US, from_datetime, now_us, to_datetime
from clickloom.windows.partition import Partition
from clickloom.wire import FIELD, RejectedEvent, decode_batch, encode
from services.api.ledger import LedgerAnswer, read_ledger
from services.api.recount import Span
from services.persister.account import Account
from services.persister.partitions import Connection
from services.persister.reader import StreamReader, sources
from services.sessionizer.leases import Lease, Part
from services.sessionizer.schedule import CommitPolicy
from services.sessionizer.segments import Segments
from services.sessionizer.served import Served
from services.sessionizer.store import Position
from tests.clicks import batch, click
from tests.conftest import Select
from tests.services.persister.conftest import NewReaders, Readers, persist

POLICY = CommitPolicy(interval_us=250_000, sessions=20_000)
SITES = ("default", "shop", "blog")
MINUTES = 400  # of event time

Database = psycopg.Connection[tuple[Any, ...]]


class Pipeline:
    """Publishes, and sessionizes as a sessionizer does, but for the leases."""

    def __init__(self, redis: Redis, keys: Keys, settings: Settings) -> None:
        self.redis = redis
        self.keys = keys
        self.settings = settings
        self.publisher = Publisher(redis, keys=keys, partitions=settings.partitions)
        self.arrival_us = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """As if Redis had lost every commit."""
        self.served: list[Served] = []
        for number in range(self.settings.partitions):
            for window in self.settings.parsed_windows():
                lease = Lease(Part(number, window.name), 1, "test")
                partition = Partition(window, self.settings.rules())
                at = Position(START, 0)
                self.served.append(Served(lease, partition, Segments(), at=at, policy=POLICY, now_us=0))

    async def publish(self, *clicks: Click) -> None:
        """Fifty at once, at the time of the latest so far."""
        for first in range(0, len(clicks), 50):
            some = clicks[first : first + 50]
            self.arrival_us = max(self.arrival_us, *(one.time_us for one in some))
            await self.publisher.publish(some, arrival_us=self.arrival_us)

    async def sessionize(self, *, portion: int = 3) -> None:
        """Read all there is, with a commit after so many entries and one in the end."""
        for served in self.served:
            await self.read(served, portion=portion)
            await self.commit(served)

    async def read(self, served: Served, *, portion: int) -> None:
        stream = self.keys.clicks(served.lease.part.partition)
        for entry_id, fields in await read_stream(self.redis, stream, served.cursor, count=10_000, block_ms=None):
            served.apply([entry_id.decode()], [decode_batch(fields[FIELD])])
            if served.schedule.entries == portion:
                await self.commit(served)

    async def commit(self, served: Served) -> str:
        """The changelog entry's id."""
        part = served.lease.part
        value = encode(served.take_commit(0).changes.changelog)
        stream = self.keys.sessions(part.window, part.partition)
        return as_bytes(await self.redis.xadd(stream, {FIELD: value})).decode()


@pytest.fixture
async def pipeline(redis: Redis, keys: Keys, settings: Settings) -> Pipeline:
    await lay_out(settings.redis_url, keys=keys, partitions=settings.partitions, windows=settings.parsed_windows())
    return Pipeline(redis, keys, settings)


@pytest.fixture
def read(engine: AsyncEngine, redis: Redis, keys: Keys, settings: Settings) -> Callable[..., Any]:
    windows = [window.name for window in settings.parsed_windows()]

    async def read(*, site_id: str | None = None) -> LedgerAnswer:
        now = now_us()
        span = Span(to_datetime(now - 30 * MINUTE_US), to_datetime(now + 2 * MINUTE_US), windows, site_id)
        return await read_ledger(engine, redis, keys, span, limit=10)

    return read


def disorderly(count: int, *, seed: int = 1, begin: int = 0) -> list[Click]:
    """Visits of three sites with clicks out of order, late and twice."""
    return list(_disorderly(count, Random(seed), begin))


def _disorderly(count: int, random: Random, begin: int) -> Iterator[Click]:
    known: list[Click] = []
    for number in range(count):
        seconds = 1e9 + 60 * MINUTES * (begin + number / count) + random.randrange(60)
        late = 86_400 if random.random() < 0.02 else 0
        user = str(random.randrange(40))
        made = click(seconds - late, user=user, site_id=random.choice(SITES), event_id=f"{begin}-{number}")
        known.append(made)
        yield made
        if random.random() < 0.05:
            yield random.choice(known[-5:])


def rejection(site_id: str) -> RejectedEvent:
    return RejectedEvent(rejected_us=1, source="http", code="x", message="no", payload=b"{}", site_id=site_id)


async def traffic(pipeline: Pipeline) -> None:
    clicks = disorderly(1_500)
    await pipeline.publish(*clicks)
    await pipeline.publisher.reject([rejection("shop"), rejection("default"), rejection("shop")])
    await pipeline.sessionize()
    await pipeline.redis.xadd(pipeline.keys.rejected(), {b"other": b"field"})


def sums(found: LedgerAnswer) -> tuple[Any, ...]:
    return found.received, found.rejected, found.clicks, *found.windows


def where(found: LedgerAnswer) -> list[tuple[str, str, str | None, int]]:
    """(sum, site, window, how much more is found than was told) of every difference."""
    return [(one.sum, one.site_id, one.window, one.found - one.told) for one in found.differences]


async def test_what_is_read_and_written_balances_by_minute_site_and_window(
    pipeline: Pipeline, readers: Readers, read: Callable[..., Any], select: Select
) -> None:
    await traffic(pipeline)
    await persist(readers)
    found = await read()
    assert (found.settled, found.balanced, found.more_differences) == (True, True, 0)
    [(rows,)] = select("SELECT count(*) FROM clicks")
    assert (found.received, found.rejected, found.clicks) == (rows + 4, 4, rows)
    assert found.clicks > 1_500, "some came twice"
    for window in found.windows:
        assert window.clicks == found.clicks
        assert window.in_sessions + window.duplicates + window.late == window.clicks
        assert window.ever_in_sessions == window.closed_events + window.open_events == window.in_sessions
        [(late,)] = select('SELECT count(*) FROM late_clicks WHERE "window" = %s', window.window)
        assert min(window.late, window.duplicates, window.closed_events, window.open_events) > 0
        assert window.late == late
    by_site = [await read(site_id=site_id) for site_id in SITES]
    assert sum(one.received for one in by_site) == found.received
    assert sum(minute.clicks for minute in found.minutes) == found.clicks
    assert by_site[1].rejected == 2


@pytest.mark.parametrize("portion", [1, 7])
async def test_streams_that_are_read_again_and_commits_that_are_made_again_count_once(
    pipeline: Pipeline, new_readers: NewReaders, read: Callable[..., Any], select: Select, portion: int
) -> None:
    await traffic(pipeline)
    await persist(new_readers())
    before = sums(await read())
    pipeline.begin_anew()
    await pipeline.sessionize(portion=portion)
    await persist(new_readers())
    select("UPDATE stream_cursors SET cursor = %s RETURNING 1", START)
    await persist(new_readers())
    found = await read()
    assert (found.settled, found.balanced, where(found)) == (True, True, [])
    assert sums(found) == before


async def test_while_streams_are_read_again_nothing_is_unbalanced(
    pipeline: Pipeline,
    readers: Readers,
    read: Callable[..., Any],
    select: Select,
    pool: "AsyncConnectionPool[Connection]",
) -> None:
    await traffic(pipeline)
    await persist(readers)
    pipeline.begin_anew()
    await pipeline.sessionize(portion=7)
    select("UPDATE stream_cursors SET cursor = %s RETURNING 1", START)
    settings, windows = pipeline.settings, pipeline.settings.parsed_windows()
    found = sources(pipeline.keys, partitions=settings.partitions, windows=windows)
    again = [StreamReader(source, redis=pipeline.redis, pool=pool, buffer_rows=1) for source in found]
    in_between = 0
    while [reader for reader in again if await reader.step()]:
        answer = await read()
        assert where(answer) == []
        in_between += not answer.settled
    assert in_between > 1
    assert (await read()).settled


async def test_a_system_in_motion_is_never_unbalanced(
    pipeline: Pipeline, readers: Readers, read: Callable[..., Any], keys: Keys
) -> None:
    """Readers take turns at random, so that each is ahead of each at some time."""
    random = Random(3)
    settled = []
    for turn in range(25):
        await pipeline.publish(*disorderly(100, seed=turn, begin=turn))
        if random.random() < 0.6:
            await pipeline.sessionize(portion=random.randrange(1, 9))
        for reader in random.sample(list(readers.values()), 5):
            await reader.step()
        found = await read()
        assert where(found) == []
        settled.append(found.settled)
    assert not any(settled)
    await pipeline.sessionize()
    await persist(readers)
    found = await read()
    assert (found.settled, found.balanced) == (True, True)
    assert all(window.clicks == found.clicks for window in found.windows)


TAMPERED = {
    "a click is gone": (
        "DELETE FROM clicks WHERE event_id = '0-700' AND entry_row = (SELECT min(entry_row) FROM clicks"
        " WHERE event_id = '0-700')",
        {("clicks", None, -1), ("window", "visits", -1), ("window", "minutes", -1)},
    ),
    "a click is there twice": (
        "INSERT INTO clicks (arrived_at, partition, entry_ms, entry_seq, entry_row, event_id, site_id, user_id,"
        " device_id, device_type, client_event, client_timestamp, is_bot) SELECT arrived_at, partition, entry_ms,"
        " entry_seq, entry_row + 1000, event_id, site_id, user_id, device_id, device_type, client_event,"
        " client_timestamp, is_bot FROM clicks WHERE event_id = '0-700' LIMIT 1",
        {("clicks", None, 1), ("window", "visits", 1), ("window", "minutes", 1)},
    ),
    "a rejected event is gone": (
        "DELETE FROM rejected_events WHERE site_id = 'default' AND source = 'http'",
        {("rejected", None, -1)},
    ),
    "a session has another event": (
        "UPDATE sessions SET events = events + 1 WHERE session_uid = (SELECT min(session_uid::text)::uuid FROM sessions"
        " WHERE \"window\" = 'visits')",
        {("sessions", "visits", 1)},
    ),
    "a late click is gone": (
        "DELETE FROM late_clicks WHERE (stream, entry_ms, entry_seq, entry_row) = (SELECT stream, entry_ms, entry_seq,"
        " entry_row FROM late_clicks WHERE \"window\" = 'visits' ORDER BY 1, 2, 3, 4 LIMIT 1)",
        {("late", "visits", -1)},
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
async def test_what_was_changed_by_hand_is_found_and_where(
    pipeline: Pipeline, readers: Readers, read: Callable[..., Any], database: Database, name: str
) -> None:
    await traffic(pipeline)
    await persist(readers)
    statement, expected = TAMPERED[name]
    assert database.execute(statement.encode()).rowcount == 1
    found = await read()
    assert not found.balanced
    assert {(sum_, window, more) for sum_, _, window, more in where(found)} == expected
    sites = {one.site_id for one in found.differences}
    assert len(sites) == 1
    [other] = [site for site in SITES if site not in sites][:1]
    assert (await read(site_id=other)).balanced
    at = {one.minute for one in found.differences if one.minute}
    assert all(now_us() - from_datetime(minute) < 10 * MINUTE_US for minute in at)


async def test_a_lost_commit_is_found_in_the_minute_of_its_clicks(
    pipeline: Pipeline, readers: Readers, read: Callable[..., Any]
) -> None:
    await pipeline.publish(*disorderly(500))
    await pipeline.sessionize()
    visit = [click(1e9 + 60 * MINUTES + second, user="1", site_id="shop") for second in range(30)]
    await pipeline.publish(*visit)
    partition = partition_of(visit[0].key, pipeline.settings.partitions)
    served = next(one for one in pipeline.served if one.lease.part == (partition, "visits"))
    await pipeline.read(served, portion=100)
    lost = await pipeline.commit(served)
    assert await pipeline.redis.xdel(pipeline.keys.sessions("visits", partition), lost) == 1
    await pipeline.sessionize()
    await persist(readers)
    found = await read()
    assert found.settled
    assert ("window", "shop", "visits", 30) in where(found)
    assert {window for _, _, window, _ in where(found)} == {"visits"}


async def test_a_window_that_is_new_is_judged_from_the_first_entry_that_it_could_read(
    pipeline: Pipeline, readers: Readers, read: Callable[..., Any]
) -> None:
    await pipeline.publish(*disorderly(500))
    await persist(readers)
    for number in range(pipeline.settings.partitions):
        await pipeline.redis.xtrim(pipeline.keys.clicks(number), maxlen=1, approximate=False)
    await pipeline.sessionize()
    await persist(readers)
    found = await read()
    assert (found.settled, found.balanced) == (True, True)
    assert 0 < found.windows[0].clicks < found.clicks


async def test_the_ledger_is_judged_from_its_first_minute_on(
    pipeline: Pipeline, readers: Readers, read: Callable[..., Any], redis: Redis, database: Database
) -> None:
    old_ms = now_us() // 1_000 - 10 * 60_000
    await redis.xadd(pipeline.keys.clicks(1), {FIELD: encode(batch(click(1e9 - 1)))}, id=f"{old_ms}-0")
    await traffic(pipeline)
    await persist(readers)
    assert (await read()).balanced
    assert database.execute("DELETE FROM clicks WHERE entry_ms = %s", [old_ms]).rowcount == 1
    assert not (await read()).balanced
    assert database.execute("DELETE FROM ledger WHERE minute <= to_timestamp(%s)", [old_ms // 1_000]).rowcount == 1
    assert (await read()).balanced


async def test_a_row_that_postgres_refuses_is_rejected_and_still_was_read_by_the_windows(
    pipeline: Pipeline, readers: Readers, read: Callable[..., Any], redis: Redis, keys: Keys
) -> None:
    clicks = [click(1e9 + number) for number in range(5)]
    clicks[3].properties = {"text": "nul\0"}
    await redis.xadd(keys.clicks(1), {FIELD: encode(batch(*clicks))})
    await redis.xadd(keys.clicks(2), {FIELD: b"rubbish"})
    await pipeline_without(pipeline, 2)
    await persist(readers)
    found = await read()
    assert (found.received, found.rejected, found.clicks, where(found)) == (6, 2, 4, [])
    assert [window.in_sessions for window in found.windows] == [5, 5]


async def pipeline_without(pipeline: Pipeline, partition: int) -> None:
    """Sessionize the other partitions."""
    pipeline.served = [served for served in pipeline.served if served.lease.part.partition != partition]
    await pipeline.sessionize()


def test_an_entry_counts_once_in_an_account() -> None:
    account = Account(counted=(5, 0))
    account.receive((5, 0), [("a", 7)])
    account.receive((5, 1), [("a", 2), ("b", 1)])
    assert sum(account.received.values()) == 3


def test_an_accounts_minutes_are_those_of_entry_ids() -> None:
    account = Account()
    account.receive((119_999, 0), [("a", 1)])
    account.receive((120_000, 0), [("a", 1)])
    assert [datetime.fromisoformat("1970-01-01T00:01:00+00:00").timestamp() * 1_000, 120_000] == [
        place.minute_ms for place in account.received
    ]
