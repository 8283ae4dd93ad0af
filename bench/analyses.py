"""Funnels, paths and retention over a stored year, asked of a running API: median and slowest, in ms.

`python -m bench.analyses http://127.0.0.1:8080 --end 2026-11-25`; the last 30 days before `end` are asked about.
"""

import sys
import time
from datetime import date, timedelta
from statistics import median
from typing import Annotated, Any

import httpx
import typer

EVENTS = ["beer_vitrine_nav", "beer_products", "beer_product_detail", "beer_cart", "beer_checkout"]
STEPS = [{"event": event} for event in EVENTS]

# name → (path, what is asked beside the range)
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "funnel of 5 steps": ("/v1/funnels", {"steps": STEPS}),
    "funnel, strict": ("/v1/funnels", {"steps": STEPS, "order": "strict"}),
    "funnel, by source": ("/v1/funnels", {"steps": STEPS, "breakdown": "utm_source"}),
    "funnel of users in 7 days": ("/v1/funnels", {"steps": STEPS, "within": "7d"}),
    "funnel with a filter": (
        "/v1/funnels",
        {"steps": [*STEPS[:4], {"event": EVENTS[4], "filters": [["at_least", "revenue", [20]]]}]},
    ),
    "paths from an event": ("/v1/paths", {"from": "beer_cart"}),
    "paths from the begin": ("/v1/paths", {"levels": 5}),
    "paths, collapsed": ("/v1/paths", {"levels": 5, "collapse_repeats": True}),
    "retention by week": ("/v1/retention", {}),
    "retention in the range": ("/v1/retention", {"first": "range"}),
}


def last_days(end: date, days: int = 30) -> list[str]:
    """A `date_range` that ends with the day before `end`."""
    return [(end - timedelta(days=days)).isoformat(), (end - timedelta(days=1)).isoformat()]


def main(
    address: Annotated[str, typer.Argument(help="of the API")],
    end: Annotated[str, typer.Option(help="the day after the last")],
    runs: Annotated[int, typer.Option(min=1)] = 5,
) -> None:
    with httpx.Client(base_url=address, timeout=60) as client:
        for name, (path, asked) in QUESTIONS.items():
            body = {"date_range": last_days(date.fromisoformat(end)), **asked}
            taken = [_taken_ms(client, path, body) for _ in range(runs)]
            sys.stdout.write(f"{name:28} {median(taken):8.0f} {max(taken):8.0f}\n")


def _taken_ms(client: httpx.Client, path: str, body: dict[str, Any]) -> float:
    begun = time.perf_counter()
    client.post(path, json=body).raise_for_status()
    return (time.perf_counter() - begun) * 1_000


if __name__ == "__main__":
    typer.run(main)
