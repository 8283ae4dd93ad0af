"""The services as child processes: started together, their lines passed on, ended together."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence

from clickloom.errors import ServerUnavailable
from services.cli.children import tied
from services.cli.console import Output
from services.cli.interrupt import Interrupt

STOP_WITHIN_S = 10.0
_LONGEST_LINE = 2**24  # bytes

Stores = Mapping[str, "subprocess.Popen[bytes]"]  # the embedded servers by name


async def supervise(
    commands: Mapping[str, Sequence[str]],
    *,
    errands: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    lock: int,
    stores: Stores,
    output: Output,
    interrupt: Interrupt,
    announce: Callable[[], Awaitable[None]],
) -> None:
    """Run `python -m` with each of the commands until interrupted; no service runs any more when this returns.

    Raises ServerUnavailable if a service or a store ended by itself, or a service had to be killed. `lock` is a
    descriptor for the services to inherit. `errands` are commands that begin after `announce`, and may end: what they
    have to say of that stands in their lines, and the others go on.
    """
    services: list[Service] = []

    async def begin(what: Mapping[str, Sequence[str]]) -> None:
        for name, command in what.items():
            services.append(await Service.start(name, command, environment=environment, lock=lock, output=output))

    async def announce_and_run() -> None:
        await announce()
        await begin(errands)

    with interrupt.event() as stop:
        try:
            await begin(commands)
            reason = await _first_end(stop, tuple(services), stores, announce_and_run)
        finally:
            killed = await _stop(services)
    if reason is not None:
        raise ServerUnavailable(f"{reason}; everything has been stopped")
    if killed:
        raise ServerUnavailable(f"{', '.join(killed)} did not stop within {STOP_WITHIN_S:.0f} s and had to be killed")


class Service:
    """One service's process, and the task that passes its lines on."""

    def __init__(self, name: str, process: Process, output: Output) -> None:
        self.name = name
        self._process = process
        self._output = output
        self.end = asyncio.create_task(self._follow())  # says how it ended

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], *, environment: Mapping[str, str], lock: int, output: Output
    ) -> "Service":
        # In a session of its own: a Ctrl-C in the terminal reaches `up` alone, which stops the services in order.
        # A killed `up` takes them with it; they may be killed at any time, that is what commits are for.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            limit=_LONGEST_LINE,
            start_new_session=True,
            pass_fds=(lock,),
            preexec_fn=tied(signal.SIGKILL),
        )
        return cls(name, process, output)

    def signal(self, signum: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signum)

    async def _follow(self) -> str:
        assert self._process.stdout is not None
        last = ""
        async for written in self._process.stdout:
            last = written.decode(errors="replace").rstrip()
            self._output.line(self.name, last)
        code = await self._process.wait()
        return f"the {self.name} {_how(code)}" + (f" ({last})" if code > 0 and last else "")


async def _first_end(
    stop: asyncio.Event, services: Sequence[Service], stores: Stores, announce: Callable[[], Awaitable[None]]
) -> str | None:
    """Wait until told to stop, or until something ends by itself; says what."""
    stopping = asyncio.ensure_future(stop.wait())
    announcing = asyncio.ensure_future(announce())
    watches = [asyncio.create_task(_watch(name, store)) for name, store in stores.items()]
    endings = [*(service.end for service in services), *watches]
    try:
        await asyncio.wait([stopping, *endings], return_when=asyncio.FIRST_COMPLETED)
        return None if stop.is_set() else next(ending.result() for ending in endings if ending.done())
    finally:
        for task in (stopping, announcing, *watches):
            task.cancel()


async def _watch(name: str, store: "subprocess.Popen[bytes]") -> str:
    while (code := store.poll()) is None:  # noqa: ASYNC110  # it was not started by the event loop
        await asyncio.sleep(0.25)
    return f"the embedded {name} {_how(code)}"


async def _stop(services: Sequence[Service]) -> list[str]:
    """Ask all to end, and kill those that do not; says which."""
    if not services:
        return []
    for service in services:
        service.signal(signal.SIGTERM)
    _, slow = await asyncio.wait([service.end for service in services], timeout=STOP_WITHIN_S)
    killed = [service for service in services if service.end in slow]
    for service in killed:
        service.signal(signal.SIGKILL)
    if killed:
        await asyncio.wait(slow)
    return [service.name for service in killed]


def _how(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended by itself with exit code {code}"
