"""The machine's Chromium: found, or installed from Debian's packages if that can be done."""

import os
import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALL_WITHIN_S = 300
LOCK = Path("/tmp/clickloom-tests-chromium.lock")  # processes of one run would ask apt at the same time


def chromium() -> str | None:
    """Its path; None if it is not there and cannot be installed."""
    found = _found()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _install()
        found = _found()
    return found


def _found() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def _install() -> None:
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        lock = ["flock", str(LOCK)]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(
            [*lock, "apt-get", *command],
            env=environment,
            capture_output=True,
            timeout=INSTALL_WITHIN_S,
            check=False,
        )
