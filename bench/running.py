"""Services as processes, and clicks for them."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil
from msgspec import structs
from redis import Redis

from clickloom.keys import Keys
from clickloom.times import now_us
from clickloom.wire import FIELD, decode_batch, encode

KEYS = Keys()
AT_ONCE = 100  # batches in one round trip
GIVE_UP_S = 600


@contextlib.contextmanager
def running_service(name: str, settings: Mapping[str, str]) -> Iterator[psutil.Process]:
    """`python -m services.<name>` with these settings, until the block ends."""
    command, environment = [sys.executable, "-m", f"services.{name}"], {**os.environ, **settings}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """This process, and what it starts meanwhile, share a core.

    Two at work on the two threads of a core take twice the CPU time for the same: that would count the machine.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def publish(redis: Redis, batches: Sequence[tuple[int, bytes]]) -> None:
    """Put (partition, record batch) into the streams, as they are."""
    for first in range(0, len(batches), AT_ONCE):
        with redis.pipeline(transaction=False) as pipe:
            for number, batch in batches[first : first + AT_ONCE]:
                pipe.xadd(KEYS.clicks(number), {FIELD: batch})
            pipe.execute()


def arriving_now(batch: bytes) -> bytes:
    """For a sessionizer at rest, which would take old clicks for late ones of years ago and close what they opened."""
    return encode(structs.replace(decode_batch(batch), arrival_us=now_us()))


def cpu_s(process: psutil.Process) -> float:
    """CPU time of a process and of its children, those that have ended included."""
    times = process.cpu_times()
    ended = times.children_user + times.children_system
    try:
        return float(times.user + times.system + ended + sum(map(cpu_s, process.children())))
    except psutil.NoSuchProcess:  # one has ended just now: it is with those in a moment
        return cpu_s(process)


def postmaster(folder: Path) -> psutil.Process:
    """Of an embedded PostgreSQL with its data there."""
    (file,) = folder.glob("*/postmaster.pid")
    return psutil.Process(int(file.read_text().split()[0]))


def await_condition(condition: Callable[[], bool], what: str, *, every_s: float = 0.02) -> None:
    """Ask again and again; other processes are what makes it true. Raises TimeoutError."""
    deadline = time.monotonic() + GIVE_UP_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {GIVE_UP_S} s")
        time.sleep(every_s)


def all_read(redis: Redis, streams: Sequence[str], reader: str | None = None) -> bool:
    """Every reader of every stream, or the one, is at its end."""
    groups = [group for stream in streams for group in redis.xinfo_groups(stream)]
    return all(group["lag"] == 0 for group in groups if reader is None or group["name"] == reader.encode())
