"""Connections to Redis, and what becomes of them when it goes away."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from redis.asyncio import RedisCluster
from redis.exceptions import RedisError

from clickloom.connect import open_redis
from clickloom.settings import Settings
from tests.cluster import cluster
from tests.proxy import Proxy, proxy_before


async def test_after_the_connections_were_cut_no_command_is_sent_over_one_of_them(settings: Settings) -> None:
    async with proxy_before(settings.redis_url) as proxy, open_redis(proxy.url, retries=0) as redis:
        several = [redis.blpop(["nothing"], timeout=0.1) for _ in range(4)]  # at once, so each has its connection
        await asyncio.gather(*several)
        proxy.refuse()
        proxy.mend()
        async with open_redis(proxy.url) as another:
            await another.ping()  # by then the others have heard of it
        assert await asyncio.gather(*(redis.ping() for _ in range(4))) == [True] * 4


async def test_no_connection_of_uvloops_is_used_that_the_loop_has_closed(settings: Settings, tmp_path: Path) -> None:
    def both() -> None:  # in a thread: this one has a loop already, and it is another
        uvloop.run(refuses_over_a_closed_one(proxy_before(settings.redis_url)))
        uvloop.run(refuses_over_a_closed_one(cluster(tmp_path)))

    await asyncio.to_thread(both)


async def refuses_over_a_closed_one(server: AbstractAsyncContextManager[Proxy | str]) -> None:
    async with server as found, open_redis(found if isinstance(found, str) else found.url, retries=0) as redis:
        await redis.ping()
        if isinstance(redis, RedisCluster):
            connection: Any = redis.get_random_node().acquire_connection()
        else:
            pool: Any = redis.connection_pool
            connection = await pool.get_connection()
        await connection.connect()
        connection._writer.transport.abort()
        await asyncio.sleep(0)  # a turn of the loop, in which it closes the socket
        with pytest.raises(RedisError):
            await connection.send_command("PING")


async def test_a_cluster_of_which_no_node_answers_is_a_redis_that_is_away() -> None:
    with pytest.raises(RedisError, match="Cluster cannot be connected"):
        async with open_redis("redis+cluster://127.0.0.1:1", retries=0):
            pass
