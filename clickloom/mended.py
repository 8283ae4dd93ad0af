"""Connections of redis-py (8.1) that say in its own words that they are closed.

uvloop raises RuntimeError for a write to a socket that the loop has closed meanwhile, as after a network that was away.
That is no RedisError: a service would end by it, where it should wait.
"""

from typing import Any

from redis.asyncio import Connection, Redis, RedisCluster, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError


class _Mended:
    async def send_packed_command(self, *command: Any, **named: Any) -> None:
        connection: Any = super()
        try:
            await connection.send_packed_command(*command, **named)
        except RuntimeError as error:
            raise RedisConnectionError(str(error)) from error


_CLASSES: dict[type, type] = {
    kind: type(f"Mended{kind.__name__}", (_Mended, kind), {})
    for kind in (Connection, SSLConnection, UnixDomainSocketConnection)
}


def mend(client: Redis) -> None:
    """Let all connections that the client makes from now on be such."""
    if isinstance(client, RedisCluster):
        options: Any = client.connection_kwargs
        options["connection_class"] = _CLASSES[options["connection_class"]]
        for node in client.nodes_manager.startup_nodes.values():
            node.connection_class = options["connection_class"]
    else:
        pool: Any = client.connection_pool
        pool.connection_class = _CLASSES[pool.connection_class]
