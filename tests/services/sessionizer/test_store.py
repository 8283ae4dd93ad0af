"""The commit and its fence, on a real Redis."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from clickloom.connect import open_redis
from clickloom.errors import Fenced
from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.streams import Reader, readers_of
from clickloom.times import SECOND_US
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow
from services.sessionizer.leases import Lease, Part
from services.sessionizer.schedule import CommitPolicy
from services.sessionizer.segments import Segments
from services.sessionizer.served import Served
from services.sessionizer.store import Store
from tests.changelog import Sessions, apply, stored_sessions
from tests.clicks import batch, click
from tests.processes import until
from tests.proxy import proxy_before

PART = Part(2, "visits")
WINDOW = SessionWindow("visits", gap_us=10 * SECOND_US)
RULES = Rules(out_of_orderness_us=0)
ENTRIES = 6
POLICY = CommitPolicy(interval_us=250_000, sessions=20_000)


@pytest.fixture
async def store(redis: Redis, keys: Keys) -> Store:
    """With the entries 1-0, 2-0 and so on, whatever the test says is in them."""
    for number in range(1, ENTRIES + 1):
        await redis.xadd(keys.clicks(PART.partition), {"b": "x"}, id=f"{number}-0")
    return Store(redis, keys=keys, lease_us=60 * SECOND_US)


async def load(store: Store, lease: Lease) -> Served:
    partition, segments = Partition(WINDOW, RULES), Segments()
    position = await store.load(PART, partition, segments)
    return Served(lease, partition, segments, at=position, policy=POLICY, now_us=0)


async def take(store: Store, worker: str = "a") -> Served:
    lease = await store.take(PART, worker)
    assert lease
    return await load(store, lease)


async def everything(redis: Redis, keys: Keys) -> dict[bytes, bytes | None]:
    """Every key of the test's namespace, but for the time that a lease has left."""
    names = [name async for name in redis.scan_iter(match=f"{keys.namespace}:*")]
    return {name: await redis.dump(name) for name in names}


async def test_a_commit_after_another_took_the_lease_writes_nothing(redis: Redis, keys: Keys, store: Store) -> None:
    served = await take(store, "a")
    served.apply(["1-0"], [batch(click(1), click(100))])
    await store.commit(served.take_commit(0))
    served.apply(["2-0"], [batch(click(200))])
    await redis.delete(keys.lease(PART.window, PART.partition))  # as if its time had run out
    await take(store, "b")
    before = await everything(redis, keys)
    with pytest.raises(Fenced):
        await store.commit(served.take_commit(0))
    assert await everything(redis, keys) == before


async def test_who_was_slow_goes_on_if_nobody_has_taken_the_lease(redis: Redis, keys: Keys, store: Store) -> None:
    served = await take(store)
    for entry in ("1-0", "2-0"):
        await redis.delete(keys.lease(PART.window, PART.partition))  # as if its time had run out
        served.apply([entry], [batch(click(1))])
        await store.commit(served.take_commit(0))
        assert await store.owners([PART]) == {PART: "a"}
    await redis.delete(keys.lease(PART.window, PART.partition))
    assert await store.renew([served.lease]) == []
    assert await store.take(PART, "b") is None


async def test_who_was_slow_does_not_get_a_lease_that_another_had_meanwhile(
    redis: Redis, keys: Keys, store: Store
) -> None:
    slow = await take(store, "a")
    await redis.delete(keys.lease(PART.window, PART.partition))
    other = await take(store, "b")
    await store.release(other.lease)
    assert await store.renew([slow.lease]) == [slow.lease]
    slow.apply(["1-0"], [batch(click(1))])
    with pytest.raises(Fenced):
        await store.commit(slow.take_commit(0))


async def test_a_commit_that_arrives_after_its_worker_has_released_the_part_writes_nothing(
    redis: Redis, keys: Keys, store: Store
) -> None:
    served = await take(store)
    served.apply(["1-0"], [batch(click(1))])
    await store.release(served.lease)
    before = await everything(redis, keys)
    with pytest.raises(Fenced):
        await store.commit(served.take_commit(0))
    assert await everything(redis, keys) == before


async def test_a_lease_is_not_taken_from_another_worker(store: Store) -> None:
    assert await store.take(PART, "a")
    assert await store.take(PART, "b") is None


async def test_a_commit_that_arrives_after_its_worker_has_taken_the_part_anew_writes_nothing(
    redis: Redis, keys: Keys, store: Store
) -> None:
    served = await take(store)
    served.apply(["1-0"], [batch(click(1))])
    late = served.take_commit(0)
    again = await take(store)
    assert again.cursor == "0-0"
    before = await everything(redis, keys)
    with pytest.raises(Fenced):
        await store.commit(late)
    assert await everything(redis, keys) == before


async def test_a_commit_onto_a_redis_that_lost_the_last_one_writes_nothing(
    redis: Redis, keys: Keys, store: Store
) -> None:
    served = await take(store)
    served.apply(["1-0"], [batch(click(1))])
    await store.commit(served.take_commit(0))
    progress = keys.progress(PART.window, PART.partition)
    kept = await redis.dump(progress)
    assert kept
    served.apply(["2-0"], [batch(click(2))])
    await store.commit(served.take_commit(0))
    await redis.restore(progress, 0, kept, replace=True)
    served.apply(["3-0"], [batch(click(3))])
    before = await everything(redis, keys)
    with pytest.raises(Fenced, match="lost its last commits"):
        await store.commit(served.take_commit(0))
    assert await everything(redis, keys) == before


async def test_a_commit_of_entries_that_a_redis_started_anew_has_lost_writes_nothing(
    redis: Redis, keys: Keys, store: Store
) -> None:
    """Though no commit is lost, and others came since, behind which the connection that mended itself read on."""
    served = await take(store)
    served.apply(["1-0"], [batch(click(1))])
    await store.commit(served.take_commit(0))
    await redis.hset(keys.progress(PART.window, PART.partition), "server", "the one before")
    await redis.xdel(keys.clicks(PART.partition), "2-0")
    served.apply(["2-0", "3-0"], [batch(click(2)), batch(click(3))])
    before = await everything(redis, keys)
    with pytest.raises(Fenced, match="lost entries that were read"):
        await store.commit(served.take_commit(0))
    assert await everything(redis, keys) == before
    again = await take(store)
    again.apply(["3-0"], [batch(click(3))])
    await store.commit(again.take_commit(0))


async def test_a_new_owner_goes_on_exactly_where_the_last_commit_was(redis: Redis, keys: Keys, store: Store) -> None:
    first = click(1, event_id="same")
    batches = [batch(first, click(5)), batch(click(8), first), batch(click(30, user="65")), batch(click(99))]
    for number, some in enumerate(batches, start=1):
        served = await take(store)  # every time a new one
        served.apply([f"{number}-0"], [some])
        await store.commit(served.take_commit(0))
    alone, expected = Partition(WINDOW, RULES), Sessions()
    for some in batches:
        alone.apply(some)
    apply(alone.take_changes(0).changelog, expected)
    assert [session.events for session in expected.values()] == [3, 1]
    assert await stored_sessions(redis, keys, "visits", PART.partition + 1) == expected


async def test_a_redis_that_is_full_still_takes_a_commit(redis: Redis, store: Store) -> None:
    served = await take(store)
    served.apply(["1-0"], [batch(click(1))])
    await redis.config_set("maxmemory", "1")
    try:
        await store.commit(served.take_commit(0))
    finally:
        await redis.config_set("maxmemory", "0")
    assert (await take(store)).cursor == "1-0"


async def test_the_cursor_is_shown_as_a_consumer_group_with_its_lag(redis: Redis, keys: Keys, store: Store) -> None:
    served = await take(store)
    served.apply(["1-0"], [None])
    served.apply(["2-0"], [None])
    await store.commit(served.take_commit(0))
    assert await readers_of(redis, keys.clicks(PART.partition)) == [Reader("visits", "2-0", ENTRIES - 2)]


async def test_a_part_that_another_took_while_it_was_loaded_is_given_up(
    redis: Redis, keys: Keys, settings: Settings, store: Store
) -> None:
    served = await take(store)
    for number in range(1, 40):  # a segment each
        served.apply([f"{number}-0"], [batch(click(number, user=f"{number}"))])
        await store.commit(served.take_commit(0))

    async def reads() -> int:
        stats: Any = await redis.info("commandstats")
        return int(stats.get("cmdstat_hmget", {}).get("calls", 0))

    before = await reads()
    async with proxy_before(settings.redis_url) as proxy, open_redis(proxy.url) as slow:
        proxy.delay_s = 0.05
        loading = asyncio.create_task(load(Store(slow, keys=keys, lease_us=0), served.lease))

        async def at_the_segments() -> bool:
            return await reads() > before + 1

        await until(at_the_segments)
        await redis.delete(keys.state(PART.window, PART.partition))  # as the other's commits drop them in the end
        with pytest.raises(Fenced, match="another has taken"):
            await loading


async def test_no_lease_is_ever_like_one_that_redis_has_lost(redis: Redis, keys: Keys, store: Store) -> None:
    lost = await store.take(PART, "a")
    await redis.delete(keys.lease(PART.window, PART.partition), keys.progress(PART.window, PART.partition))
    again = await store.take(PART, "a")
    assert lost
    assert again
    assert again.token != lost.token
