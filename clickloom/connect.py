"""Connections to Redis, and the layout that was fixed at first start."""

from typing import Any, Self

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig

from clickloom.errors import InvalidSetting, ServerUnavailable
from clickloom.functions import Library
from clickloom.keys import Keys
from clickloom.mended import mend

CLUSTER = "+cluster"  # after the scheme of a Redis URL

# Not HSET and HSETNX themselves: a full Redis refuses these, and then the readers that make room could not start.
_LAYOUT = Library(
    """
local function fix(keys, args)
  redis.call('HSETNX', keys[1], args[1], args[2])
  return redis.call('HGET', keys[1], args[1])
end

local function put(keys, args) return redis.call('HSET', keys[1], args[1], args[2]) end
""",
    functions=["fix", "put"],
)


class _Cluster(RedisCluster):
    """A cluster none of whose nodes answers is one that is away. redis-py (8.1) raises what is no RedisError then."""

    async def initialize(self, *known: Any, **named: Any) -> Self:
        try:
            await super().initialize(*known, **named)
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error
        return self


def open_redis(url: str, *, retries: int = 6) -> Redis:
    """A client that gives bytes; what fails for want of a connection is tried again with backoff.

    So what was sent may be done twice, if only the answer was lost. An XADD of clicks may: event ids make the
    second entry's clicks duplicates, and a click is stored once per stream position. Who must not do a thing twice
    gives retries=0 and looks what is stored before it goes on, as the sessionizer does for its commits.

    `redis+cluster://host:port` is a cluster, of which that is one node. Its client takes the same calls, as long as
    the keys of each belong to one partition.
    """
    scheme, _, rest = url.partition("://")
    client: Any = _Cluster if scheme.endswith(CLUSTER) else Redis
    opened: Redis = client.from_url(
        f"{scheme.removesuffix(CLUSTER)}://{rest}",
        socket_connect_timeout=5,
        socket_timeout=30,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=2), retries=retries),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        # With them the pool hands out connections that the server has closed (redis-py 8.1): after a restart of Redis
        # each one's first command would fail, and with it a commit.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    mend(opened)
    return opened


async def memory_of(redis: Redis) -> list[dict[str, Any]]:
    """What INFO says of the memory of each server. Not CONFIG GET, which hosted ones often refuse."""
    if isinstance(redis, RedisCluster):
        return list((await redis.info("memory", target_nodes=RedisCluster.PRIMARIES)).values())
    return [await redis.info("memory")]


async def fix_layout(redis: Redis, *, keys: Keys, partitions: int) -> None:
    """Store the partition count at first start; refuse another one ever after, and a Redis that evicts.

    Raises InvalidSetting: with another count a visitor's clicks would go to another partition; ServerUnavailable if
    Redis does not answer.
    """
    try:
        await _check_eviction(redis)
        stored = int(await fix_field(redis, keys, "partitions", str(partitions)))
    except RedisError as error:
        raise ServerUnavailable(f"the Redis of REDIS_URL does not answer: {error}") from error
    if stored != partitions:
        raise InvalidSetting(
            f"PARTITIONS is {partitions}, but this Redis was laid out with {stored}: set PARTITIONS={stored}"
        )


async def fix_field(redis: Redis, keys: Keys, field: str, value: str) -> str:
    """Keep the value in the layout unless there is one already; returns the one that is there."""
    stored: bytes = await _LAYOUT.call(redis, "fix", [keys.layout()], [field, value])
    return stored.decode()


async def put_field(redis: Redis, keys: Keys, field: str, value: str) -> None:
    """Keep the value in the layout, whatever is there."""
    await _LAYOUT.call(redis, "put", [keys.layout()], [field, value])


async def _check_eviction(redis: Redis) -> None:
    policies = {server["maxmemory_policy"] for server in await memory_of(redis)} - {"noeviction"}
    if policies:
        raise InvalidSetting(
            f"this Redis has maxmemory-policy {policies.pop()}: when its memory is full it would drop clicks and open"
            " sessions; set maxmemory-policy noeviction, so that ingest is refused instead"
        )
