"""A sessionizer is killed with a million sessions open: how long until one that is started then commits again."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis import Redis

from bench.measure import Figure
from bench.running import KEYS, await_condition, publish, running_service
from bench.workload import Workload
from clickloom.click import Click
from clickloom.publish import BATCH_CLICKS
from clickloom.times import now_us
from clickloom.wire import FIELD, RecordBatch, decode_metrics, encode
from services.cli.embedded import embedded_valkey

WINDOW = "visits"
PARTITIONS = 8
BATCHES = 250  # in a partition, each of as many users' only clicks
OPEN = PARTITIONS * BATCHES * BATCH_CLICKS
LEASE_S = 2


def measure(_: Workload, *, runs: int) -> list[Figure]:
    """Seconds from the kill to a commit of every partition, the start of the process and the dead one's lease in it."""
    unit = f"s, {LEASE_S} of them the lease"
    return [Figure(f"kill → every partition commits, {OPEN:,} open sessions", unit, [_run() for _ in range(runs)])]


def _run() -> float:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir="/tmp")))
        url = stack.enter_context(embedded_valkey(folder))
        redis = stack.enter_context(Redis.from_url(url))
        settings = {"REDIS_URL": url, "PARTITIONS": str(PARTITIONS), "WINDOWS": f"{WINDOW} = session(gap=30m)"}
        settings["LEASE"] = f"{LEASE_S}s"
        with running_service("sessionizer", settings) as sessionizer:
            leases = [KEYS.lease(WINDOW, number) for number in range(PARTITIONS)]
            await_condition(lambda: redis.exists(*leases) == PARTITIONS, "the leases")
            publish(redis, list(_clicks("before", BATCHES)))
            await_condition(lambda: _all_committed(redis), "all sessions to be open")
            sessionizer.kill()
            killed = time.monotonic()
        publish(redis, list(_clicks("after", 1)))
        stack.enter_context(running_service("sessionizer", settings))
        await_condition(lambda: _all_committed(redis), "the next commits")
        took_s = time.monotonic() - killed
        expected = OPEN + PARTITIONS * BATCH_CLICKS
        await_condition(lambda: _open(redis) == expected, f"{expected:,} open sessions to be told")
        return took_s


def _clicks(users: str, batches: int) -> Iterator[tuple[int, bytes]]:
    """(partition, record batch) of clicks of now, each of another user; which partition is not what its key says."""
    for number in range(PARTITIONS):
        for batch in range(batches):
            now = now_us()
            clicks = [_click(f"{users}-{number}-{batch}-{row}", now) for row in range(BATCH_CLICKS)]
            yield number, encode(RecordBatch.of(clicks, now))


def _click(user: str, at_us: int) -> Click:
    return Click(user_id=user, device_id="mobile", client_event="page", client_timestamp=at_us, event_id=user)


def _all_committed(redis: Redis) -> bool:
    """Up to the last click of every partition."""
    with redis.pipeline(transaction=False) as pipe:
        for number in range(PARTITIONS):
            pipe.hget(KEYS.progress(WINDOW, number), "cursor")
            pipe.xrevrange(KEYS.clicks(number), count=1)
        found: list[Any] = pipe.execute()
    return all(last and cursor == last[0][0] for cursor, last in zip(found[::2], found[1::2], strict=True))


def _open(redis: Redis) -> int:
    """As the last commits of all partitions tell it."""
    entries: list[Any] = [redis.xrevrange(KEYS.metrics(number), count=1) for number in range(PARTITIONS)]
    return sum(decode_metrics(found[0][1][FIELD]).open_sessions for found in entries)
