"""`clickloom import` of a Parquet file into an empty Postgres, on all cores."""

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

import migrations
from bench.measure import Figure
from bench.running import cpu_s, postmaster
from bench.workload import Workload
from services.cli.embedded import embedded_postgres

VISITS = "visits = session(gap=30m)"
BOTH = f"{VISITS}; minutes = stagger(range=1m)"


def measure(workload: Workload, *, runs: int) -> list[Figure]:
    """Clicks a second of wall time, start of the process included, and the CPU time a click; and of doing it again."""
    unit, cpu = f"clicks/s, workload {workload.name}", "ns of CPU a click"
    figures = []
    for windows, told in ((VISITS, "visits"), (BOTH, "both windows")):
        found = [_run(workload, {"WINDOWS": windows}) for _ in range(runs)]
        figures.append(Figure(f"import, {told}", unit, [workload.clicks / one["first"] for one in found]))
        for part in ("import", "Postgres"):
            figures.append(Figure(f"… {part}", cpu, [one[part] / workload.clicks * 1e9 for one in found]))
        figures.append(Figure("… the same again", unit, [workload.clicks / one["again"] for one in found]))
    return figures


def _run(workload: Workload, settings: Mapping[str, str]) -> dict[str, float]:
    """Seconds, checked against the workload's answer."""
    with TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL may run as another user
        with embedded_postgres(folder) as database_url:
            migrations.upgrade(database_url)
            environment = {**os.environ, **settings, "DATABASE_URL": database_url}
            server = postmaster(folder)
            own_before, before_s = _own_cpu_s(), cpu_s(server)
            first_s, told = _import(workload, environment)
            spent = {"import": _own_cpu_s() - own_before, "Postgres": cpu_s(server) - before_s}
            again_s, again = _import(workload, environment)
            assert f"{workload.clicks:,} new" in told, told
            assert re.search(rf"visits: {workload.sessions:,} sessions", told), told
            assert " 0 new" in again, again
            with psycopg.connect(database_url) as database:
                assert database.execute("SELECT count(*) FROM clicks").fetchone() == (workload.clicks,)
        return {"first": first_s, "again": again_s, **spent}


def _import(workload: Workload, environment: Mapping[str, str]) -> tuple[float, str]:
    command = [sys.executable, "-m", "services.cli", "import", str(workload.parquet())]
    began = time.monotonic()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return time.monotonic() - began, ended.stderr


def _own_cpu_s() -> float:
    """Of children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
