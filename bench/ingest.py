"""Ingest over HTTP: one API process, events one by one and in batches of 500, a client with many connections."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import msgspec
import psutil

import migrations
from bench.measure import Figure
from bench.running import await_condition, cpu_s, running_service
from bench.workload import Workload
from services.cli.embedded import embedded_postgres, embedded_valkey

CONNECTIONS = 32
LASTS_S = 5.0
BATCH = 500


def measure(_: Workload, *, runs: int) -> list[Figure]:
    """Events a second of the API process' CPU time, with the client as fast as it can; and the 99th percentile."""
    figures = []
    with _api() as (port, api):
        for name, events in (("ingest, one event a request", 1), (f"ingest, {BATCH} events a request", BATCH)):
            found = [_run(port, api, events) for _ in range(runs)]
            figures.append(Figure(name, "events/s of CPU time", [rate for rate, _ in found]))
            figures.append(Figure("… 99 % of requests within", "µs, at full load", [p99 for _, p99 in found]))
    return figures


@contextlib.contextmanager
def _api() -> Iterator[tuple[int, psutil.Process]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir="/tmp")))
        redis_url = stack.enter_context(embedded_valkey(folder / "valkey"))
        database_url = stack.enter_context(embedded_postgres(folder / "postgres"))
        migrations.upgrade(database_url)
        port = free_port()
        settings = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "AUTH": "off", "PORT": str(port)}
        api = stack.enter_context(running_service("api", settings))
        await_condition(lambda: answers(port), "the API")
        yield port, api


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _run(port: int, api: psutil.Process, events: int) -> tuple[float, float]:
    """Events a second of CPU time, and the 99th percentile of the answers' times (µs)."""
    before_s = cpu_s(api)
    took_s = asyncio.run(_load(port, _request(events)))
    return len(took_s) * events / (cpu_s(api) - before_s), quantiles(took_s, n=100)[-1] * 1e6


def _request(events: int) -> bytes:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    fields = {"device_id": "computer", "client_event": "beer_products", "client_timestamp": now}
    found = [{"user_id": f"u{number}", "event_id": os.urandom(8).hex(), **fields} for number in range(events)]
    body = msgspec.json.encode(found)
    head = ["POST /v1/events HTTP/1.1", "Host: bench", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


async def _load(port: int, request: bytes) -> list[float]:
    """How long each request took (s)."""
    until = time.monotonic() + LASTS_S
    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(_ask(port, request, until)) for _ in range(CONNECTIONS)]
    return [took_s for client in clients for took_s in client.result()]


async def _ask(port: int, request: bytes, until: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took_s = []
    while (began := time.monotonic()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 202"):
            raise RuntimeError(f"the API answered {head[:40]!r}")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
        took_s.append(time.monotonic() - began)
    writer.close()
    return took_s
