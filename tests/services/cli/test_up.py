"""`clickloom up` as a person meets it: a process with real servers, from its first line to its last."""

import json
import os
import re
import shlex
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import psycopg
import pytest
import redis

from services.cli.embedded import embedded_postgres, embedded_valkey
from tests.processes import Process, until


class Up(Process):
    """`clickloom up` on a data folder of its own, in a process group of its own."""

    def __init__(self, folder: Path, log: Path, *options: str, **environment: str) -> None:
        self.folder = folder
        self._mark = uuid4().hex  # every process of the tree inherits it
        command = [sys.executable, "-m", "services.cli", "up", "--data-dir", str(folder), *options]
        inherited = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "DATABASE_URL")}
        given = {**inherited, "AUTH": "off", **environment, "MARK": self._mark}
        super().__init__(command, environment=given, log=log, own_group=True)

    async def ready(self) -> str:
        """The address that the line says to open."""
        return (await self.logged("Clickloom is ready: open ")).split("open ")[1]

    def interrupt(self) -> None:
        """Ctrl-C: the terminal signals the whole foreground process group."""
        os.killpg(self.pid, signal.SIGINT)

    def tree(self) -> list[psutil.Process]:
        """What runs of it, wherever it hangs in the machine's tree of processes."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            # Servers write their title over their environment; they work in their folders.
            return process.environ().get("MARK") == self._mark or Path(process.cwd()).is_relative_to(self.folder)
        except psutil.Error:  # it has just ended, or it is another user's
            return False

    async def gone(self) -> None:
        """Wait until nothing of it runs."""

        async def none_left() -> bool:
            return not self.tree()

        await until(none_left, what=f"the end of {self.tree()}")

    async def rows(self, table: str, *, more_than: int = -1) -> int:
        """How many rows the embedded database has, once they are more than so many."""
        [_, database_url] = shlex.split(await self.logged("psql "))

        async def counted() -> tuple[int] | None:
            with psycopg.connect(database_url) as connection:
                [(count,)] = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()
            return (count,) if count > more_than else None

        return (await until(counted, what=f"more than {more_than} rows in {table}"))[0]

    def find(self, command: str) -> psutil.Process:
        """The one process of it with this in its command."""
        [found] = [process for process in self.tree() if command in " ".join(process.cmdline())]
        return found


StartUp = Callable[..., Up]


@pytest.fixture
def folder(store_folder: Path) -> Path:
    return store_folder / "data"


@pytest.fixture
def start_up(folder: Path, tmp_path: Path) -> Iterator[StartUp]:
    started: list[Up] = []

    def start(*options: str, folder: Path = folder, port: int = 0, **environment: str) -> Up:
        log = tmp_path / f"{len(started)}-up.log"
        started.append(Up(folder, log, "--port", str(port), *options, **environment))
        return started[-1]

    yield start
    for up in started:
        up.end()


async def sessions(address: str, **filters: str) -> list[dict[str, Any]]:
    """The newest closed sessions, once there are any."""

    async def found() -> list[dict[str, Any]]:
        async with httpx.AsyncClient(base_url=address) as client:
            listed: list[dict[str, Any]] = (await client.get("/v1/sessions", params=filters)).json()["sessions"]
            return listed

    return await until(found, what="sessions")


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


@asynccontextmanager
async def ticks(address: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    async def parsed(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
        async for line in lines:
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))

    async with (
        httpx.AsyncClient(base_url=address, timeout=60) as client,
        client.stream("GET", "/v1/live/metrics") as answer,
    ):
        yield parsed(answer.aiter_lines())


async def moves(address: str) -> None:
    """Wait for two ticks that count clicks."""
    async with ticks(address) as coming:
        moving = 0
        async for tick in coming:
            moving += tick["clicks"] > 0
            if moving == 2:
                return


async def test_a_demo_has_sessions_and_moving_numbers_and_goes_on_where_it_was(start_up: StartUp) -> None:
    first = start_up("--demo", "--demo-days", "3")
    address = await first.ready()
    [newest, *_] = await sessions(address)
    assert re.fullmatch(r"\d+_[A-Z]{3}\d{10}", newest["session_id"])
    await moves(address)
    await first.logged("history.imported")
    [oldest] = await sessions(address, to=days_ago(2), limit="1")
    async with httpx.AsyncClient(base_url=address) as client:
        assert (await client.get("/shop/a")).status_code == (await client.get("/")).status_code == 200
        assert (await client.get(f"/v1/sessions/{oldest['session_uid']}")).status_code == 200
    count = await first.rows("clicks")
    first.interrupt()
    assert await first.ended() == 0
    await first.gone()

    second = start_up("--demo")
    address = await second.ready()
    async with httpx.AsyncClient(base_url=address) as client:
        assert (await client.get(f"/v1/sessions/{newest['session_uid']}")).json() == newest
    await moves(address)
    await second.rows("clicks", more_than=count)
    assert second.stop() == 0  # SIGTERM, to it alone
    await second.gone()
    assert "history.published" not in second.output
    assert "history.begun" not in second.output
    for line in (first.output + second.output).splitlines():
        assert "folder.opened" in line or not re.search("error|warning|traceback", line, re.IGNORECASE)


@pytest.mark.parametrize(
    ("moment", "signum"),
    [
        ("valkey/valkey.log", signal.SIGINT),
        ("postgres18.new/PG_VERSION", signal.SIGTERM),
        ("postgres18/postmaster.pid", signal.SIGINT),
        ("sessionizer │", signal.SIGTERM),
    ],
)
async def test_a_signal_during_the_start_ends_it_with_0_and_leaves_nothing(
    start_up: StartUp, folder: Path, moment: str, signum: signal.Signals
) -> None:
    up = start_up("--demo", "--demo-days", "0")

    async def has_come() -> bool:
        assert up.alive, up.output
        return (folder / moment).exists() or moment in up.output

    await until(has_come, what=moment)
    if signum == signal.SIGINT:
        up.interrupt()
    else:
        up.signal(signum)
    assert await up.ended() == 0
    await up.gone()
    assert "ready" not in up.output
    assert "Traceback" not in up.output


async def test_one_that_was_killed_leaves_nothing_that_stops_the_next(start_up: StartUp) -> None:
    first = start_up("--demo", "--demo-days", "0")
    address = await first.ready()
    await sessions(address)
    left = first.tree()
    first.kill()
    second = start_up("--demo", "--demo-days", "0", port=httpx.URL(address).port or 0)
    assert await second.ready() == address
    assert not any(process.is_running() for process in left)
    await moves(address)


async def test_addresses_of_stores_in_the_environment_replace_the_embedded_ones_and_a_dead_service_ends_all(
    start_up: StartUp, folder: Path, environment: dict[str, str]
) -> None:
    stores = {name: environment[name] for name in ("REDIS_URL", "DATABASE_URL", "NAMESPACE", "PARTITIONS")}
    up = start_up("--demo", "--demo-days", "0", **stores)
    await sessions(await up.ready())
    assert not {"valkey", "postgres18"} & set(os.listdir(folder))
    up.find("services.persister").kill()
    assert await up.ended() == 1
    await up.gone()
    assert "clickloom: the persister was ended by SIGKILL; everything has been stopped" in up.output


async def test_a_store_that_dies_ends_all(start_up: StartUp) -> None:
    up = start_up()
    await up.ready()
    up.find("valkey-server").kill()
    assert await up.ended() == 1
    await up.gone()
    assert "clickloom: the embedded Valkey was ended by SIGKILL; everything has been stopped" in up.output


async def test_a_long_and_odd_path_of_the_data_folder_works(start_up: StartUp, store_folder: Path) -> None:
    up = start_up(folder=store_folder / '50% of "all" #data?, ünd' / ("long" * 25))
    await up.ready()
    assert up.stop() == 0
    await up.gone()


async def test_the_embedded_valkey_is_as_large_and_as_durable_as_is_set(start_up: StartUp) -> None:
    up = start_up(EMBEDDED_MEMORY="64MB", INGEST_DURABILITY="disk")
    await up.ready()
    [url] = shlex.split((await up.logged("REDIS_URL=")).split("REDIS_URL=")[1])
    with redis.Redis.from_url(url) as client:
        assert client.config_get("maxmemory", "appendfsync") == {"maxmemory": str(64 * 2**20), "appendfsync": "always"}
    assert up.stop() == 0


async def refused(up: Up) -> str:
    """The one line with which it ends before anything runs."""
    assert await up.ended() == 1
    await up.gone()
    [line] = up.output.splitlines()
    return line


async def test_a_port_that_is_taken_is_named_and_nothing_starts(start_up: StartUp, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = await refused(start_up(port=port))
    assert f"127.0.0.1:{port} cannot be listened on (Address already in use)" in line
    assert not (folder / "valkey").exists()


async def test_a_data_folder_in_use_is_refused(start_up: StartUp, folder: Path, environment: dict[str, str]) -> None:
    stores = {name: environment[name] for name in ("REDIS_URL", "DATABASE_URL")}
    first = start_up(**stores)
    await first.ready()
    second = start_up(**stores)
    assert await second.ended() == 1
    assert (
        second.output
        == f"clickloom: another `clickloom up` runs on {folder}: stop it, or give this one its own --data-dir\n"
    )
    assert first.alive


async def test_a_data_folder_that_cannot_be_made_is_named(start_up: StartUp, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = await refused(start_up(folder=tmp_path / "file" / "data"))
    assert line == f"clickloom: the data folder {tmp_path / 'file' / 'data'} cannot be made: Not a directory"


async def test_a_valkey_that_cannot_start_is_told_with_the_last_line_of_its_log(
    start_up: StartUp, folder: Path
) -> None:
    with embedded_valkey(folder / "valkey"):
        pass
    for kept in (folder / "valkey" / "appendonlydir").glob("*.aof"):
        kept.write_bytes(b"rubbish")
    line = await refused(start_up())
    assert f"the embedded Valkey did not start; its log {folder / 'valkey' / 'valkey.log'} ends with: " in line
    assert "append only file" in line


async def test_a_postgres_that_cannot_start_is_told_with_the_last_line_of_its_log(
    start_up: StartUp, folder: Path
) -> None:
    with embedded_postgres(folder):
        pass
    os.truncate(folder / "postgres18" / "global" / "pg_control", 10)
    line = await refused(start_up())
    assert f"the embedded PostgreSQL did not start; its log {folder / 'postgres.log'} ends with: " in line
    assert "pg_control" in line


@pytest.mark.parametrize("name", ["REDIS_URL", "DATABASE_URL"])
@pytest.mark.parametrize("address", ["rubbish", "unix:///nothing.sock", "postgresql:///x?host=/nothing"])
async def test_a_store_of_the_environment_that_does_not_answer_is_named(
    start_up: StartUp, environment: dict[str, str], name: str, address: str
) -> None:
    stores = {"REDIS_URL": environment["REDIS_URL"], "DATABASE_URL": environment["DATABASE_URL"]}
    line = await refused(start_up(**{**stores, "NAMESPACE": environment["NAMESPACE"], name: address}))
    assert line.startswith("clickloom: ")
    assert name in line


async def test_json_logs_are_json_line_by_line(start_up: StartUp, environment: dict[str, str]) -> None:
    stores = {name: environment[name] for name in ("REDIS_URL", "DATABASE_URL", "NAMESPACE", "PARTITIONS")}
    up = start_up(LOG_FORMAT="json", **stores)
    ready = json.loads(await up.logged("up.ready"))
    assert ready["open"].startswith("http://127.0.0.1:")
    for service in ("sessionizer", "persister", "triggers", "api"):  # ready is when the API is; others may take longer
        await up.logged(f'"service": "{service}"')
    assert up.stop() == 0
    lines = [json.loads(line) for line in up.output.splitlines()]
    assert {line["service"] for line in lines} == {"up", "sessionizer", "persister", "triggers", "api"}
    assert all({"timestamp", "level", "event"} <= line.keys() for line in lines)
