"""`clickloom up`: everything on this machine, until Ctrl-C."""

import contextlib
import fcntl
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from shlex import join, quote

from honcho.manager import Manager
from honcho.printer import Printer

import migrations
from clickloom.errors import ServerUnavailable
from clickloom.settings import Settings
from services.cli.embedded import embedded_postgres, embedded_valkey

READY_WITHIN_S = 60


def up(settings: Settings, *, demo: bool, rate: float) -> int:
    """Run stores and services until a signal; the exit code. Raises ServerUnavailable before anything starts."""
    with contextlib.ExitStack() as stack:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        stack.enter_context(_only_one(settings.data_dir))
        _check_port(settings.host, settings.port)
        environment = dict(os.environ, HOST=settings.host, PORT=str(settings.port), PYTHONUNBUFFERED="1")
        if "REDIS_URL" not in os.environ:
            environment["REDIS_URL"] = stack.enter_context(embedded_valkey(settings.data_dir / "valkey"))
        if "DATABASE_URL" not in os.environ:
            environment["DATABASE_URL"] = stack.enter_context(embedded_postgres(settings.data_dir))
        migrations.upgrade(environment["DATABASE_URL"])
        return _run_services(settings, environment, demo=demo, rate=rate)


def _run_services(settings: Settings, environment: dict[str, str], *, demo: bool, rate: float) -> int:
    manager = Manager(Printer(sys.stdout, colour=sys.stdout.isatty()))
    for service in ("sessionizer", "persister", "api"):
        manager.add_process(service, _command(service), env=environment)
    if demo:
        generator = f"{_command('generator')} --rate {rate} --history 6h"
        manager.add_process("generator", generator, env=environment)
    threading.Thread(target=_announce, args=(settings, environment), daemon=True).start()
    manager.loop()
    requested = manager.returncode in (130, 143)
    return 0 if requested else 1


def _command(service: str) -> str:
    return f"exec {join([sys.executable, '-m', f'services.{service}'])}"


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    with (folder / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServerUnavailable(
                f"another `clickloom up` runs on {folder}: stop it, or give this one its own --data-dir"
            ) from error
        yield


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServerUnavailable(f"port {port} is taken: stop what listens there, or give --port") from error


def _announce(settings: Settings, environment: dict[str, str]) -> None:
    """Say what to open once the API is ready."""
    address = f"http://{settings.host}:{settings.port}"
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(f"{address}/readyz", timeout=2),
        ):
            stores = f"psql {quote(environment['DATABASE_URL'])}  ·  REDIS_URL={environment['REDIS_URL']}"
            sys.stdout.write(f"\nClickloom is ready: open {address}/docs\n  {stores}\n\n")
            sys.stdout.flush()
            return
        time.sleep(0.1)
