"""Cuts off the end of Valkey's append-only file, as a power failure does to what was not on disk yet."""

import os
from pathlib import Path
from random import Random

_LOOKED_AT = 2**24  # bytes at the file's end: far more than is ever written within a fault


def log_file(folder: Path) -> Path:
    """The file that the Valkey in this folder appends to."""
    manifest = (folder / "appendonlydir" / "appendonly.aof.manifest").read_text()
    names = [line.split()[1] for line in manifest.splitlines() if line.endswith("type i")]
    return folder / "appendonlydir" / names[-1]


def size(folder: Path) -> int:
    return log_file(folder).stat().st_size


def end_of_input(folder: Path, streams: list[str]) -> int:
    """Where the last XADD to any of the streams ends."""
    file = log_file(folder)
    with file.open("rb") as log:
        begin = max(0, size(folder) - _LOOKED_AT)
        log.seek(begin)
        tail = log.read()
    found = max(tail.rfind(_xadd(stream)) for stream in streams)
    return begin + (_end_of_command(tail, tail.rfind(b"*", 0, found)) if found >= 0 else 0)


def _xadd(stream: str) -> bytes:
    return b"\r\n$4\r\nXADD\r\n$%d\r\n%s\r\n" % (len(stream.encode()), stream.encode())


def _end_of_command(log: bytes, at: int) -> int:
    """Where the command ends that begins there: *<parts>, and of each part $<bytes> and the bytes."""
    line = log.index(b"\r\n", at)
    parts, at = int(log[at + 1 : line]), line + 2
    for _ in range(parts):
        line = log.index(b"\r\n", at)
        at = line + 2 + int(log[at + 1 : line]) + 2
    return at


def cut_off(folder: Path, random: Random, *, least: int, most: int | None = None) -> int:
    """Keep from `least` to `most` bytes (None: all), and so cut anywhere between, in the middle of a command too.

    Returns how many bytes are gone.
    """
    before = size(folder)
    after = random.randint(least, before if most is None else max(least, most))
    os.truncate(log_file(folder), after)
    return before - after
