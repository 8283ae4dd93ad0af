"""`clickloom up`: everything on this machine, until Ctrl-C."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

import migrations
from clickloom.errors import ServerUnavailable
from clickloom.keys import Keys
from clickloom.layout import lay_out
from clickloom.lifecycle import listen
from clickloom.logs import configure_logs
from clickloom.settings import Settings
from clickloom.times import now_us, parse_duration
from services.cli.children import claimed, try_lock
from services.cli.console import output_of
from services.cli.demo_history import HABITS, note_past
from services.cli.embedded import VALKEY, embedded_postgres, embedded_valkey, made
from services.cli.interrupt import Interrupt
from services.cli.supervisor import supervise

DEMO_HISTORY = "6h"  # over the streams: sessions to query at once, not only after the first gap

DEMO_HISTORY_US = parse_duration(DEMO_HISTORY)


def up(settings: Settings, *, demo: bool, rate: float, days: int) -> None:
    """Run stores and services until a signal. Raises ServerUnavailable if anything does not start or ends by itself."""
    interrupt = Interrupt()
    interrupt.install()
    configure_logs(log_format=settings.log_format, log_level=settings.log_level, service="up")
    folder = made(settings.data_dir)
    try:
        with _only_one(folder), claimed(folder / "services.lock", check=interrupt.check) as lock:
            port = _free_port(settings)
            with _stores(settings, folder, interrupt) as stores:
                with interrupt.raising():
                    _prepare(settings, stores)
                    note = _note(stores.database_url, folder, demo=demo, rate=rate, days=days)
                commands, errands = _commands(demo=demo, rate=rate), _errands(note)
                asyncio.run(_serve(commands, errands, settings, stores, port=port, lock=lock, interrupt=interrupt))
    except KeyboardInterrupt:
        return  # while something was starting: what had been started is stopped by now


def _commands(*, demo: bool, rate: float) -> dict[str, list[str]]:
    """What to run, by name."""
    commands = {name: [f"services.{name}"] for name in ("sessionizer", "persister", "triggers", "api")}
    if demo:
        habits = ["--rate", str(rate), "--users", str(HABITS.users)]
        commands["generator"] = ["services.generator", *habits, "--history", DEMO_HISTORY]
    return commands


def _note(database_url: str, folder: Path, *, demo: bool, rate: float, days: int) -> Path | None:
    """Of the past that is to be made up to where the generator's back-dated traffic begins."""
    end_us = now_us() - DEMO_HISTORY_US
    return note_past(database_url, folder, end_us=end_us, days=days, rate=rate) if demo else None


def _errands(note: Path | None) -> dict[str, list[str]]:
    """What runs once all is ready, and ends by itself."""
    return {} if note is None else {"history": ["services.cli.demo_history", str(note)]}


@dataclass(slots=True)
class Stores:
    redis_url: str
    database_url: str
    embedded: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def hints(self) -> list[str]:
        """How to look into the embedded ones; the others' addresses may hold passwords."""
        hints = []
        if "PostgreSQL" in self.embedded:
            hints.append(f"psql {quote(self.database_url)}")
            hints.append(f"DATABASE_URL={quote(self.database_url)}")
        if "Valkey" in self.embedded:
            hints.append(f"REDIS_URL={quote(self.redis_url)}")
        return hints


@contextlib.contextmanager
def _stores(settings: Settings, folder: Path, interrupt: Interrupt) -> Iterator[Stores]:
    """The stores that the settings name; embedded ones in place of those they do not."""
    stores = Stores(settings.redis_url, settings.database_url)
    watch, check = stores.embedded.__setitem__, interrupt.check
    with contextlib.ExitStack() as stack:
        if "redis_url" not in settings.model_fields_set:
            options = valkey_options(settings)
            stores.redis_url = stack.enter_context(
                embedded_valkey(folder / "valkey", options, watch=watch, check=check)
            )
        if "database_url" not in settings.model_fields_set:
            stores.database_url = stack.enter_context(embedded_postgres(folder, watch=watch, check=check))
        yield stores


def valkey_options(settings: Settings) -> dict[str, str]:
    """Of the embedded Valkey: how durable, and not so large that nothing else can run on the machine."""
    memory = settings.embedded_memory.of(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    appendfsync = "always" if settings.ingest_durability == "disk" else "everysec"
    return {**VALKEY, "maxmemory": str(memory), "appendfsync": appendfsync}


def _prepare(settings: Settings, stores: Stores) -> None:
    """Layout and schema, so that what is wrong with either is said once, not by every service."""
    keys, windows = Keys(settings.namespace), settings.parsed_windows()
    asyncio.run(lay_out(stores.redis_url, keys=keys, partitions=settings.partitions, windows=windows))
    migrations.upgrade(stores.database_url)


async def _serve(
    commands: dict[str, list[str]],
    errands: dict[str, list[str]],
    settings: Settings,
    stores: Stores,
    *,
    port: int,
    lock: int,
    interrupt: Interrupt,
) -> None:
    output = output_of(settings.log_format, [*commands, *errands])
    addresses = {"REDIS_URL": stores.redis_url, "DATABASE_URL": stores.database_url}
    listening = {"HOST": settings.host, "PORT": str(port), "DEMO_SHOP": str(settings.demo_shop)}
    web = _web_address(settings.host, port)
    shop = [f"{web}/shop is the demo's shop"] if settings.demo_shop else []
    hints = [*shop, f"{web}/docs is the API", *stores.hints()]

    async def announce() -> None:
        while not await _is_ready(settings.host, port):  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.1)
        output.ready(web, hints)

    await supervise(
        commands,
        errands=errands,
        environment={**os.environ, **addresses, **listening, "PYTHONUNBUFFERED": "1"},
        lock=lock,
        stores=stores.embedded,
        output=output,
        interrupt=interrupt,
        announce=announce,
    )


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    with (folder / "up.lock").open("ab") as lock:
        if not try_lock(lock.fileno()):
            raise ServerUnavailable(
                f"another `clickloom up` runs on {folder}: stop it, or give this one its own --data-dir"
            )
        yield


def _free_port(settings: Settings) -> int:
    """The port, or a free one for 0. Raises ServerUnavailable if it is taken."""
    with listen(settings.host, settings.port) as listener:
        return int(listener.getsockname()[1])


async def _is_ready(host: str, port: int) -> bool:
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: clickloom\r\nConnection: close\r\n\r\n")
        status = await reader.readline()
        writer.close()
        return b" 200 " in status
    return False


def _web_address(host: str, port: int) -> str:
    """Where a browser on this machine finds an API that listens on `host`."""
    if host in ("0.0.0.0", "::", ""):
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
