"""One embedded server as a child process, its output in a log file."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import structlog

from clickloom.errors import ServerUnavailable
from services.cli.children import Check, claimed, tied

log = structlog.get_logger()

START_WITHIN_S = 300.0  # a long append-only file, or a recovery, takes its time
STOP_WITHIN_S = 30.0
POLL_S = 0.02

Watch = Callable[[str, "subprocess.Popen[bytes]"], None]  # is told the name and process of what was started


class Account(TypedDict, total=False):
    """Who a program runs as, as Popen takes it; empty: who we are."""

    user: int
    group: int
    extra_groups: list[int]


class Server:
    """Starts a server, waits for it, and stops it.

    `ends_by` is the signal that does; `watch` is told of the server's process, and `check` is called while it starts.
    """

    def __init__(
        self,
        name: str,
        log: Path,
        *,
        ends_by: signal.Signals,
        watch: Watch,
        check: Check,
        account: Account | None = None,
    ) -> None:
        self._name = name
        self._watch = watch
        self._check = check
        self._log = log
        self._ends_by = ends_by
        self._account = account or Account()
        self._log_begin = log.stat().st_size if log.exists() else 0
        self._process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def running(self, command: Sequence[str], *, lock: Path, stale: Sequence[Path] = ()) -> Iterator[None]:
        """The server holds `lock` as long as it lives. `stale` are files of a server that was killed, which would keep
        this one from starting; the lock shows that none runs. Raises ServerUnavailable."""
        with claimed(lock, check=self._check) as descriptor:
            for file in stale:
                file.unlink(missing_ok=True)
            self._process = self._start(command, pass_fds=(descriptor,))
        try:
            self._watch(self._name, self._process)
            yield
        finally:
            self._stop(self._process)

    def run(self, command: Sequence[str]) -> None:
        """Run a program of the server's to its end. Raises ServerUnavailable."""
        process = self._start(command)
        try:
            while (code := process.poll()) is None:
                self._check()
                time.sleep(POLL_S)
        finally:
            self._stop(process)
        if code:
            raise self._failure(f"could not be set up: {Path(command[0]).name} failed")

    def await_ready(self, ready: Callable[[], bool]) -> None:
        """Raises ServerUnavailable if the server ends, or takes too long."""
        assert self._process is not None
        deadline = time.monotonic() + START_WITHIN_S
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise self._failure("did not start")
            self._check()
            time.sleep(POLL_S)

    def _start(self, command: Sequence[str], *, pass_fds: Sequence[int] = ()) -> "subprocess.Popen[bytes]":
        try:
            with self._log.open("ab") as output:
                # In a session of its own: a Ctrl-C in the terminal must reach the services before their store.
                return subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    pass_fds=pass_fds,
                    preexec_fn=tied(self._ends_by),
                    **self._account,
                )
        except OSError as error:
            raise ServerUnavailable(f"the embedded {self._name} did not start: {error}") from error

    def _stop(self, process: "subprocess.Popen[bytes]") -> None:
        if process.poll() is None:
            process.send_signal(self._ends_by)
        try:
            process.wait(timeout=STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            log.warning("server.killed", server=self._name, reason=f"it did not stop within {STOP_WITHIN_S:.0f} s")
            process.kill()
            process.wait()

    def _failure(self, what: str) -> ServerUnavailable:
        with self._log.open("rb") as written:
            written.seek(self._log_begin)
            lines = written.read().decode(errors="replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return ServerUnavailable(f"the embedded {self._name} {what}; its log {self._log} ends with: {last}")
