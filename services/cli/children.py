"""Child processes that end with their parent, and locks that tell whether any of them still lives."""

import contextlib
import ctypes
import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from clickloom.errors import ServerUnavailable

ENDING_WITHIN_S = 30.0  # what a killed run leaves gets this long to end

Check = Callable[[], None]  # is called while something is waited for; may raise to end that

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def tied(signum: int) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends the child `signum` when its parent ends, even by SIGKILL.

    Only Linux can; elsewhere a parent that is killed leaves its children.
    """
    parent = os.getpid()

    def tie() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signum)
            if os.getppid() != parent:  # it ended before the kernel was asked
                os._exit(1)

    return tie


@contextlib.contextmanager
def claimed(path: Path, *, check: Check) -> Iterator[int]:
    """A lock on a file, as a descriptor for children to inherit: it is free when the last of them has ended.

    Waits for the children of a killed run, which are about to end; raises ServerUnavailable if they do not, and what
    `check` raises, which is called while it waits.
    """
    deadline = time.monotonic() + ENDING_WITHIN_S
    with path.open("ab") as file:
        while not try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise ServerUnavailable(
                    f"processes of an earlier run still hold {path}: end them (`fuser {path}` lists them)"
                )
            check()
            time.sleep(0.05)
        yield file.fileno()


def try_lock(descriptor: int) -> bool:
    """False if another process has the file's lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
