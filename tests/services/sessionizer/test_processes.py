"""Sessionizers as real processes: whatever happens to them, the sessions are those of one run over the same clicks."""

import asyncio
import os
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from clickloom.connect import open_redis
from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.streams import readers_of
from clickloom.times import SECOND_US, now_us
from clickloom.wire import FIELD, CommitMetrics, decode_metrics
from services.cli.embedded import embedded_valkey
from tests.clicks import click
from tests.flow import BUSY, Flow, clicks_of_a_day, serving
from tests.processes import Start, until
from tests.proxy import Moment, proxy_before


@pytest.fixture
def flow(redis: Redis, keys: Keys, settings: Settings) -> Flow:
    return Flow(redis, keys, settings, clicks_of_a_day())


async def test_killed_again_and_again_a_sessionizer_loses_nothing_and_repeats_nothing(start: Start, flow: Flow) -> None:
    processes = await serving(start, flow, 2, LEASE="1s")
    random = Random(5)
    async with flow.running(seconds=8):
        for turn in range(6):
            await asyncio.sleep(random.uniform(0.2, 1.2))  # a moment like any other
            processes[turn % 2].kill()
            processes[turn % 2] = start("sessionizer", **BUSY)
    await flow.becomes_exact()


async def test_two_share_evenly_and_each_takes_all_when_the_other_is_lost(start: Start, flow: Flow) -> None:
    first, second = await serving(start, flow, 2)
    async with flow.running(seconds=4):
        first.kill()
        await until(flow.held_by(second.pid), what="the other to take all")
        third = start("sessionizer", **BUSY)
        await until(flow.held_by(second.pid, third.pid), what="the third to be given its share")
        second.kill()
        await until(flow.held_by(third.pid), what="the third to take all")
    await flow.becomes_exact()


async def test_asked_to_stop_it_hands_over_long_before_its_leases_end(start: Start, flow: Flow) -> None:
    first, second = await serving(start, flow, 2, LEASE="10m")
    async with flow.running(seconds=2):
        assert first.stop() == 0
        await until(flow.held_by(second.pid), what="the other to take all")
    await flow.becomes_exact()


async def test_stopped_past_its_leases_and_continued_it_writes_nothing_lets_go_and_takes_its_share_again(
    start: Start, flow: Flow
) -> None:
    first, second = await serving(start, flow, 2)
    async with flow.running(seconds=6):
        await asyncio.sleep(0.5)  # in the midst of it
        first.signal(signal.SIGSTOP)
        await until(flow.held_by(second.pid), what="the other to take all")
        first.signal(signal.SIGCONT)
        await first.logged("partition.lost")
        await until(flow.held_by(first.pid, second.pid), what="both to share again")
    await flow.becomes_exact()


async def test_stopped_past_its_leases_that_nobody_took_it_goes_on_without_loading_anything(
    start: Start, redis: Redis, keys: Keys, settings: Settings, flow: Flow
) -> None:
    [alone] = await serving(start, flow, LEASE="1s")

    async def all_ended() -> bool:
        return set(await flow.owners()) == {None}

    async def epochs() -> list[Any]:
        parts = [(window, number) for window in ("visits", "minutes") for number in range(settings.partitions)]
        return [await redis.hget(keys.progress(*part), "epoch") for part in parts]

    before = await epochs()
    async with flow.running(seconds=4):
        await asyncio.sleep(0.5)  # in the midst of it
        alone.signal(signal.SIGSTOP)
        await until(all_ended)
        alone.signal(signal.SIGCONT)
    await flow.becomes_exact()
    assert await epochs() == before
    assert "partition.lost" not in alone.output


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_commit_whose_answer_is_lost_is_neither_lost_nor_done_twice(
    start: Start, flow: Flow, moment: Moment
) -> None:
    async with proxy_before(flow.settings.redis_url) as proxy:
        (process,) = await serving(start, flow, REDIS_URL=proxy.url)
        async with flow.running(seconds=4):
            for cuts in range(1, 6):
                proxy.cut("commit_", moment, times=1)

                async def done(cuts: int = cuts) -> bool:
                    return proxy.cuts == cuts

                await until(done, what="the connection to be cut")
                await process.logged("partition.lost", times=cuts)
        await flow.becomes_exact()


@pytest.mark.parametrize("step", ["take_", "beat_", "XREAD", "HMGET", "release_"])
async def test_a_connection_cut_at_any_other_step_changes_nothing_either(start: Start, flow: Flow, step: str) -> None:
    async with proxy_before(flow.settings.redis_url) as proxy:
        proxy.cut(step, "after", times=3)
        (first,) = await serving(start, flow, REDIS_URL=proxy.url)
        async with flow.running(seconds=1):
            second = start("sessionizer", **BUSY)  # it is given its share, then all
            await until(flow.held_by(first.pid, second.pid), what="both to share")
            first.signal(signal.SIGTERM)
            assert await first.ended() == 0
        await flow.becomes_exact()
        assert proxy.cuts


async def test_an_answer_that_comes_late_says_nothing_of_what_came_since_it_was_given(
    start: Start, redis: Redis, keys: Keys, settings: Settings
) -> None:
    strict = {"WINDOWS": "visits = session(gap=1s)", "OUT_OF_ORDERNESS": "0s", "ALLOWED_LATENESS": "0s"}
    publisher = Publisher(redis, keys=keys, partitions=settings.partitions)

    async def publish() -> None:
        await publisher.publish([click(now_us() / SECOND_US)], arrival_us=now_us())

    async def numbers() -> list[CommitMetrics]:
        partitions: list[Any] = [await redis.xrange(keys.metrics(number)) for number in range(settings.partitions)]
        return [decode_metrics(fields[FIELD]) for entries in partitions for _, fields in entries]

    async def read() -> int:
        return sum(one.clicks for one in await numbers())

    async with proxy_before(settings.redis_url) as proxy:
        sessionizer = start("sessionizer", REDIS_URL=proxy.url, LEASE="1m", **strict)
        for turn in range(3):
            await publish()

            async def all_read(count: int = 2 * turn + 1) -> bool:
                return await read() == count

            await until(all_read)
            proxy.silence()
            await asyncio.sleep(0.5)  # Redis has said by now that there is nothing
            await publish()
            await asyncio.sleep(2.5)  # longer than the gap
            proxy.mend()

        async def all_came() -> bool:
            return await read() == 6

        await until(all_came)
        sessionizer.signal(signal.SIGTERM)  # and not `stop`, for which the proxy would have to wait
        assert await sessionizer.ended() == 0
    assert sum(one.late for one in await numbers()) == 0


async def test_redis_killed_and_started_again_is_waited_for(start: Start, flow: Flow, tmp_path: Path) -> None:
    folder = tmp_path / "valkey"
    with ExitStack() as servers:
        url = servers.enter_context(embedded_valkey(folder))
        async with open_redis(url, retries=100) as redis:
            own = Flow(redis, flow.keys, flow.settings, flow.clicks)
            await serving(start, own, 2, REDIS_URL=url)
            async with own.running(seconds=4):
                for _ in range(2):
                    await asyncio.sleep(0.7)
                    os.kill(int((folder / "valkey.pid").read_text()), signal.SIGKILL)
                    servers.enter_context(embedded_valkey(folder))
            await own.becomes_exact()


async def test_an_entry_that_cannot_be_decoded_is_counted_and_the_partition_goes_on(start: Start, flow: Flow) -> None:
    stream = flow.keys.clicks(0)
    await flow.redis.xadd(stream, {FIELD: b"rubbish"})
    await flow.redis.xadd(stream, {b"other": b"field"})
    await serving(start, flow)
    async with flow.running(seconds=0):
        pass
    await flow.becomes_exact()
    entries: Any = await flow.redis.xrange(flow.keys.metrics(0))
    counted = Counter[str]()
    for _, fields in entries:
        metrics = decode_metrics(fields[FIELD])
        counted[metrics.window] += metrics.undecodable
    assert counted == {"visits": 2, "minutes": 2}


async def test_an_entry_of_a_later_version_stops_it_and_stays(start: Start, flow: Flow) -> None:
    (process,) = await serving(start, flow)
    await flow.redis.xadd(flow.keys.clicks(0), {FIELD: msgspec.msgpack.encode([2, "of tomorrow"])})
    assert await process.ended() == 1
    assert "upgrade every service" in process.output.splitlines()[-1]
    assert {reader.lag for reader in await readers_of(flow.redis, flow.keys.clicks(0))} == {1}
    assert await flow.owners() == {None: 2 * flow.settings.partitions}
