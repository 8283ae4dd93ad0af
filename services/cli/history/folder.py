"""Folders for temporary files that go when the import ends; of one that was killed, when the next begins."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from services.cli.children import try_lock

_PREFIX = "clickloom-import-"
_LOCK = "lock"


@contextlib.contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Raises OSError."""
    for left in parent.glob(f"{_PREFIX}*"):
        _remove_if_left(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True) as made:
        folder = Path(made)
        with (folder / _LOCK).open("wb") as lock:
            try_lock(lock.fileno())
            yield folder


def _remove_if_left(folder: Path) -> None:
    """Unless a process still has its lock."""
    with contextlib.suppress(OSError), (folder / _LOCK).open("rb") as lock:
        if try_lock(lock.fileno()):
            shutil.rmtree(folder)
