"""What the dashboard asks, over HTTP against one API process, on a year's or some weeks' sessions."""

import json
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

from bench.analyses import ANALYSES, LISTS, NUMBERS
from bench.ingest import answers, free_port
from bench.measure import Figure
from bench.running import await_condition, running_service
from bench.stored import SITE, WEEKS, end_of, stored
from bench.workload import Workload
from services.cli.embedded import embedded_valkey

_TOP = {"metrics": ["sessions"], "limit": 10}
COMPARED = {"include": {"comparison": "previous_period"}}
OVER_TIME = "over time"

# One tile of the dashboard each; the chart over time has every number that can be chosen for it.
QUESTIONS: Mapping[str, dict[str, Any]] = {
    "totals": {"metrics": NUMBERS, **COMPARED},
    OVER_TIME: {"metrics": NUMBERS},
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
UNITS = {1: "hour", 7: "day", 30: "day", 365: "month"}  # of the chart, as the dashboard has them (ranges.js)
ZONES = ("UTC", "Europe/Berlin")
TIMEOUT_S = 60
LONG_MS = 5_000  # from there on one repetition must do


MONTH = DAYS["30 days"]


def measure(_: Workload, *, runs: int, weeks: int = WEEKS) -> list[Figure]:
    """How long answers take (ms): of all dashboard questions, by range and filter, and by question; then the rest."""
    unit = f"ms, of {weeks * 189_000:,} sessions"
    with api_on(weeks) as port:
        asked = {**_numbers(port, weeks, runs), **_analyses(port, weeks, runs), **_lists(port, runs)}
    return [figure for name, times in asked.items() for figure in _figures(name, times, unit)]


def _numbers(port: int, weeks: int, runs: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for range_, days in DAYS.items():
        if timedelta(days=days) > timedelta(weeks=weeks):
            continue
        for filtered, filters in FILTERS.items():
            for name, question in QUESTIONS.items():
                times = _times(port, question, days, filters, weeks, runs)
                found.setdefault("all questions", []).extend(times)
                found.setdefault(f"all questions, {filtered}", []).extend(times)
                found.setdefault(f"{range_}, {filtered}", []).extend(times)
                found.setdefault(f"… {name}, {filtered}", []).extend(times)
    return found


def _times(port: int, question: Mapping[str, Any], days: int, filters: list[Any], weeks: int, runs: int) -> list[float]:
    found = []
    for zone in ZONES:
        asked = {**question, **_last(days, weeks), "timezone": zone, "filters": filters}
        if question is QUESTIONS[OVER_TIME]:
            asked["dimensions"] = [f"time:{UNITS[days]}"]
        found += _repeated(port, "/v1/query", asked, runs)
    return found


def _analyses(port: int, weeks: int, runs: int) -> dict[str, list[float]]:
    """Of 30 days."""
    asked = {name: (path, {**body, **_last(MONTH, weeks)}) for name, (path, body) in ANALYSES.items()}
    return {name: _repeated(port, path, body, runs) for name, (path, body) in asked.items()}


def _lists(port: int, runs: int) -> dict[str, list[float]]:
    """The newest of all times."""
    asked = {name: urlencode({"site_id": SITE, **parameters}) for name, parameters in LISTS.items()}
    return {name: _repeated(port, f"/v1/sessions?{query}", None, runs) for name, query in asked.items()}


def _last(days: int, weeks: int) -> dict[str, Any]:
    ends = [(end_of(weeks) - timedelta(days=back)).date().isoformat() for back in (days, 1)]
    return {"site_id": SITE, "date_range": ends}


def _figures(name: str, times: list[float], unit: str) -> Iterator[Figure]:
    yield Figure(f"{name}: median", unit, times)
    yield Figure(f"{name}: p95", unit, [quantiles(times, n=20)[-1] if len(times) > 1 else times[0]])


def _repeated(port: int, path: str, asked: Mapping[str, Any] | None, runs: int) -> list[float]:
    """The first is as the page before left it, and does not count. What takes long is asked once more only."""
    first = _ask(port, path, asked)
    return [_ask(port, path, asked) for _ in range(runs if first < LONG_MS else 1)]


def _ask(port: int, path: str, asked: Mapping[str, Any] | None) -> float:
    """How long it took, ms, also if QUERY_TIMEOUT cut it short; None: GET."""
    body = None if asked is None else json.dumps(asked).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"content-type": "application/json"})
    began = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=2 * TIMEOUT_S) as answer:
            answer.read()
    except HTTPError as error:
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
    return (time.perf_counter() - began) * 1e3


@contextmanager
def api_on(weeks: int) -> Iterator[int]:
    """Its port."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir="/tmp")))
        redis_url = stack.enter_context(embedded_valkey(folder / "valkey"))
        port = free_port()
        settings = {"REDIS_URL": redis_url, "AUTH": "off", "PORT": str(port), "QUERY_TIMEOUT": f"{TIMEOUT_S}s"}
        settings["DATABASE_URL"] = stack.enter_context(stored(weeks))
        stack.enter_context(running_service("api", settings))
        await_condition(lambda: answers(port), "the API")
        yield port
