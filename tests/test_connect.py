"""Connections to Redis, and what becomes of them when it goes away."""

import asyncio

import pytest
from redis.exceptions import RedisError

from clickloom.connect import open_redis
from clickloom.settings import Settings
from tests.proxy import proxy_before


async def test_after_the_connections_were_cut_no_command_is_sent_over_one_of_them(settings: Settings) -> None:
    async with proxy_before(settings.redis_url) as proxy, open_redis(proxy.url, retries=0) as redis:
        several = [redis.blpop(["nothing"], timeout=0.1) for _ in range(4)]  # at once, so each has its connection
        await asyncio.gather(*several)
        proxy.refuse()
        proxy.mend()
        async with open_redis(proxy.url) as another:
            await another.ping()  # by then the others have heard of it
        assert await asyncio.gather(*(redis.ping() for _ in range(4))) == [True] * 4


async def test_a_cluster_of_which_no_node_answers_is_a_redis_that_is_away() -> None:
    with pytest.raises(RedisError, match="Cluster cannot be connected"):
        async with open_redis("redis+cluster://127.0.0.1:1", retries=0):
            pass
