"""Visitors whose browser keeps no id: one of theirs is made for the day, and cannot be made again after it."""

import asyncio
import secrets
from hashlib import blake2b
from typing import Any

import structlog
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import RedisError

from clickloom.keys import SEPARATOR, Keys
from clickloom.times import DAY_US, SECOND_US

log = structlog.get_logger()

_SALT_BYTES = 32
_ID_BYTES = 16
_CLOCKS_DIFFER_S = 60  # by so much, at most, between the machines of one Clickloom


def visitor_id(salt: bytes, *, site_id: str, address: str, user_agent: str) -> str:
    """32 hexadecimal digits, which tell nothing of the address without the salt."""
    told = SEPARATOR.join((site_id, address, user_agent))
    return blake2b(told.encode(), key=salt, digest_size=_ID_BYTES).hexdigest()


class DailyVisitors:
    """The same site, address and user agent are one visitor for a day (UTC), for every API process of one Redis.

    The day's salt is random, in Redis until the day is over and in this process no longer than that. When the next
    day's is made, Redis is asked to write its append-only file anew, so that the old one is not on its disk either.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._salts: dict[int, bytes] = {}  # by day; one at most

    async def visitor(self, *, site_id: str, address: str, user_agent: str, now_us: int) -> str:
        """The visitor's id for the day of now_us. Raises what Redis raises."""
        day = now_us // DAY_US
        salt = self._salts.get(day)
        if salt is None:
            salt = await self._salt(day)
            self._salts = {day: salt}
            left_s = ((day + 1) * DAY_US - now_us) / SECOND_US
            asyncio.get_running_loop().call_later(left_s, self._salts.clear)
        return visitor_id(salt, site_id=site_id, address=address, user_agent=user_agent)

    @property
    def remembers(self) -> int:
        """How many salts this process holds."""
        return len(self._salts)

    async def _salt(self, day: int) -> bytes:
        """The day's salt in Redis, made if there is none."""
        fresh = secrets.token_bytes(_SALT_BYTES)
        ends_s = (day + 1) * DAY_US // SECOND_US + _CLOCKS_DIFFER_S
        redis: Any = self._redis
        stored: bytes | None = await redis.set(self._keys.salt(day), fresh, nx=True, get=True, exat=ends_s)
        if stored is not None:
            return stored
        await self._forget(day - 1)
        return fresh

    async def _forget(self, day: int) -> None:
        """A salt whose day is over; what is left of it is in the append-only file, until that is written anew."""
        key = self._keys.salt(day)
        redis: Any = self._redis
        where = {"target_nodes": redis.get_node_from_key(key)} if isinstance(redis, RedisCluster) else {}
        try:
            await redis.unlink(key)
            if (await redis.info("persistence", **where))["aof_enabled"]:
                await redis.bgrewriteaof(**where)
        except RedisError as error:
            log.warning("visitors.salt_on_disk", reason=str(error))
