"""What the dashboard asks, over HTTP against one API process, on a year's or some weeks' sessions."""

import json
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

from bench.ingest import answers, free_port
from bench.measure import Figure
from bench.running import await_condition, running_service
from bench.stored import SITE, WEEKS, end_of, stored
from bench.workload import Workload
from services.cli.embedded import embedded_valkey

_TOTALS = ["sessions", "visitors", "conversion_rate", "bounce_rate", "revenue", "duration_avg"]
_TOP = {"metrics": ["sessions"], "limit": 10}
COMPARED = {"include": {"comparison": "previous_period"}}

# One tile of the dashboard each.
QUESTIONS: Mapping[str, dict[str, Any]] = {
    "totals": {"metrics": _TOTALS, **COMPARED},
    "by day": {"metrics": _TOTALS, "dimensions": ["time:day"]},
    "by hour": {"metrics": _TOTALS, "dimensions": ["time:hour"], "limit": 10_000},
    "begin events": {"metrics": ["sessions"], "dimensions": ["begin_navigation"]},
    "devices and events": {"metrics": ["duration_total"], "dimensions": ["device_type", "begin_navigation"]},
    "durations": {"metrics": ["sessions"], "dimensions": ["duration_class"]},
    "entry pages": {"dimensions": ["entry_page"], **_TOP},
    "referrers": {"dimensions": ["referrer_host"], **_TOP},
    "campaigns": {"dimensions": ["utm_campaign"], **_TOP},
    "experiment": {"metrics": ["sessions", "conversion_rate"], "dimensions": ["experiment:checkout"]},
}
FILTERS: Mapping[str, list[Any]] = {
    "no filter": [],
    "one device type": [["is", "device_type", ["mobile"]]],
    "one campaign": [["is", "utm_campaign", ["brand"]]],
}
DAYS = {"24 h": 1, "7 days": 7, "30 days": 30, "12 months": 365}
ZONES = ("UTC", "Europe/Berlin")


def measure(_: Workload, *, runs: int, weeks: int = WEEKS) -> list[Figure]:
    """How long answers take (ms): of all dashboard questions, by range and filter, and by question."""
    with _api(weeks) as port:
        found: dict[str, list[float]] = {}
        for range_, days in DAYS.items():
            if timedelta(days=days) > timedelta(weeks=weeks):
                continue
            for filtered, filters in FILTERS.items():
                took = {
                    name: _times(port, question, days, filters, weeks, runs) for name, question in QUESTIONS.items()
                }
                found[f"{range_}, {filtered}"] = [ms for times in took.values() for ms in times]
                for name, times in took.items():
                    found.setdefault(f"… {name}, {filtered}", []).extend(times)
    unit = f"ms, of {weeks * 189_000:,} sessions"
    return [figure for name, times in found.items() for figure in _figures(name, times, unit)]


def _figures(name: str, times: list[float], unit: str) -> Iterator[Figure]:
    yield Figure(f"{name}: median", unit, times)
    yield Figure(f"{name}: p95", unit, [quantiles(times, n=20)[-1]])


def _times(port: int, question: Mapping[str, Any], days: int, filters: list[Any], weeks: int, runs: int) -> list[float]:
    end = end_of(weeks)
    found = []
    for zone in ZONES:
        ends = [(end - timedelta(days=days)).date().isoformat(), (end - timedelta(days=1)).date().isoformat()]
        asked = {**question, "date_range": ends, "timezone": zone, "filters": filters, "site_id": SITE}
        _ask(port, asked)  # as the page before did
        found += [_ask(port, asked) for _ in range(runs)]
    return found


def _ask(port: int, asked: Mapping[str, Any]) -> float:
    """How long it took, ms."""
    request = urllib.request.Request(  # our own API
        f"http://127.0.0.1:{port}/v1/query", json.dumps(asked).encode(), {"content-type": "application/json"}
    )
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        json.load(answer)
    return (time.perf_counter() - began) * 1e3


@contextmanager
def _api(weeks: int) -> Iterator[int]:
    """Its port."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir="/tmp")))
        redis_url = stack.enter_context(embedded_valkey(folder / "valkey"))
        port = free_port()
        settings = {"REDIS_URL": redis_url, "AUTH": "off", "PORT": str(port), "QUERY_TIMEOUT": "60s"}
        settings["DATABASE_URL"] = stack.enter_context(stored(weeks))
        stack.enter_context(running_service("api", settings))
        await_condition(lambda: answers(port), "the API")
        yield port
