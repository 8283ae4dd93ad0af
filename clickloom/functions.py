"""Redis Functions: what Redis does for us in one step, and one round trip.

A library is named by the hash of its source, so that two versions of this software can run side by side.
"""

from collections.abc import Sequence
from typing import Any

import xxhash
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ResponseError


class Library:
    """Lua functions that Redis keeps. `functions` of the source are found by their names.

    They may write when Redis is full (allow-oom): a commit is what lets streams be trimmed and memory come back.
    """

    def __init__(self, source: str, *, functions: Sequence[str]) -> None:
        self._version = xxhash.xxh3_64_hexdigest(source.encode())
        registered = "\n".join(
            f"redis.register_function{{function_name='{self._name(function)}', callback={function},"
            " flags={'allow-oom'}}"
            for function in functions
        )
        self._code = f"#!lua name=clickloom_{self._version}\n{source}\n{registered}\n"

    def _name(self, function: str) -> str:
        return f"{function}_{self._version}"

    async def call(self, redis: Redis, function: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run one function; a server that does not know it is given the library first."""
        try:
            return await self._call(redis, function, keys, arguments)
        except ResponseError as error:
            if "Function not found" not in str(error):
                raise
        await redis.function_load(self._code, replace=True)
        return await self._call(redis, function, keys, arguments)

    async def _call(self, redis: Any, function: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        command = ["FCALL", self._name(function), len(keys), *keys, *arguments]
        if isinstance(redis, RedisCluster):
            # Left to itself it asks a server which of the arguments are keys, and sends it all of them for that.
            return await redis.execute_command(*command, target_nodes=redis.get_node_from_key(keys[0]))
        return await redis.execute_command(*command)
