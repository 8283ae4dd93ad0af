"""Whether Redis answers only when a write is on disk (docs/decisions/0007-on-disk-means-appendfsync-always.md)."""

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ResponseError

from clickloom.errors import InvalidSetting

ON_DISK_WITHIN_MS = 3_000


async def check_durable(redis: Redis) -> None:
    """Raises InvalidSetting, with the remedy, if an answer of this Redis does not mean that the write is on disk."""
    reason = await _doubt(redis)
    if reason:
        raise InvalidSetting(f"INGEST_DURABILITY=disk: {reason}; or set INGEST_DURABILITY=memory")


async def _doubt(redis: Redis) -> str:
    """Why it does not, and the remedy; empty if it does."""
    if isinstance(redis, RedisCluster):
        return "a cluster's nodes cannot be asked for it with the write: use a single Redis"
    try:
        await redis.waitaof(1, 0, ON_DISK_WITHIN_MS)
        policy = (await redis.config_get("appendfsync"))["appendfsync"]
    except ResponseError as error:
        return _remedy(str(error))
    if policy != "always":
        return f"this Redis has appendfsync {policy} and answers before its disk has the write: set appendfsync always"
    return ""


def _remedy(error: str) -> str:
    if "unknown command" in error and "WAITAOF" in error.upper():
        return "this Redis does not know WAITAOF: use Redis 7.2 or newer, or Valkey"
    if "appendonly is disabled" in error:
        return "this Redis keeps no append-only file: set appendonly yes and appendfsync always"
    return f"this Redis does not tell how it writes to its disk ({error}): allow WAITAOF and CONFIG GET"
