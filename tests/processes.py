"""Services as real processes: start one, wait for what it does, stop it, kill it.

The fixture `start` (tests/conftest.py) gives a test its own:

    sessionizer = start("sessionizer", LEASE="2s")
    await sessionizer.logged("service.started")
    sessionizer.kill()

and whatever still runs when the test ends is stopped.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

PATIENCE_S = 60.0  # for a slow machine that others use too; a test that succeeds never waits so long
POLL_S = 0.02

T = TypeVar("T")


class Process:
    """One process whose output goes into a file."""

    def __init__(
        self,
        command: list[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        own_group: bool = False,
        fed: bool = False,
    ) -> None:
        """`own_group`: as a shell starts what runs in a terminal's foreground. `fed`: the test is its input."""
        self.log = log
        stdin = subprocess.PIPE if fed else subprocess.DEVNULL
        with log.open("wb") as output:
            self._running = subprocess.Popen(
                command,
                env=environment,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=own_group,
            )

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def alive(self) -> bool:
        return self._running.poll() is None

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    async def logged(self, text: str, *, times: int = 1, within_s: float = PATIENCE_S) -> str:
        """Wait until `text` stands in the output; returns the line in which it does. Fails if the process ends."""

        async def line() -> str | None:
            ended = not self.alive  # asked first: what it wrote before it ended counts
            lines = [line for line in self.output.splitlines() if text in line]
            if len(lines) >= times:
                return lines[times - 1]
            assert not ended, f"{self.log.name} ended without {text!r}:\n{self.output}"
            return None

        return await until(line, within_s=within_s, what=f"{text!r} in {self.log.name}")

    async def ended(self, *, within_s: float = PATIENCE_S) -> int:
        """Wait for the process to end by itself; returns its exit code."""

        async def code() -> tuple[int] | None:
            found = self._running.poll()
            return None if found is None else (found,)

        return (await until(code, within_s=within_s, what=f"the end of {self.log.name}"))[0]

    def feed(self, data: bytes) -> None:
        """Write to its standard input."""
        assert self._running.stdin is not None
        self._running.stdin.write(data)
        self._running.stdin.flush()

    def end_of_input(self) -> None:
        assert self._running.stdin is not None
        self._running.stdin.close()

    def signal(self, signum: int) -> None:
        assert self.alive, f"{self.log.name} has ended:\n{self.output}"
        os.kill(self.pid, signum)

    def kill(self) -> None:
        """SIGKILL, which must hit it alive."""
        self.signal(signal.SIGKILL)
        self._running.wait()

    def stop(self, *, within_s: float = PATIENCE_S) -> int:
        """SIGTERM; returns the exit code. Fails if it does not end."""
        self.signal(signal.SIGTERM)
        return self._running.wait(within_s)

    def end(self) -> None:
        """Stop it if it still runs, by force if need be."""
        if self._running.stdin is not None:
            self._running.stdin.close()
        if not self.alive:
            return
        self._running.terminate()
        try:
            self._running.wait(20)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
            raise


class Start(Protocol):
    def __call__(self, service: str, *arguments: str, **environment: str) -> Process:
        """Start `python -m services.<service>` with settings of its own over the test's environment.

        The test may `feed` its standard input.
        """


@contextmanager
def starting(environment: Mapping[str, str], folder: Path) -> Iterator[Start]:
    """Gives what starts services, and ends those that still run when the block ends."""
    started: list[Process] = []

    def start(service: str, *arguments: str, **settings: str) -> Process:
        command = [sys.executable, "-m", f"services.{service}", *arguments]
        log = folder / f"{len(started)}-{service}.log"
        started.append(Process(command, environment={**environment, **settings}, log=log, fed=True))
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            process.end()


async def until(
    condition: Callable[[], Awaitable[T | None]], *, within_s: float = PATIENCE_S, what: str = "the condition"
) -> T:
    """Wait until the condition gives something true; returns that."""
    deadline = time.monotonic() + within_s
    while not (found := await condition()):
        assert time.monotonic() < deadline, f"waited {within_s:.0f} s for {what}"
        await asyncio.sleep(POLL_S)
    return found
