"""Requests and answers for the API's description; the answers are real ones, some cut short."""

from typing import Any

AS_OF = "2026-11-25T00:00:00.250000Z"

FUNNEL: dict[str, Any] = {
    "date_range": ["2026-11-20", "2026-11-21"],
    "steps": [
        {"event": ["beer_products", "beer_selection"]},
        {"event": "beer_cart"},
        {"event": "beer_checkout", "filters": [["at_least", "revenue", [20]]]},
    ],
    "filters": [["is", "device_type", ["mobile", "tablet"]]],
    "order": "loose",
    "within": "7d",
    "breakdown": "utm_source",
    "limit": 5,
}
_STEPS = [
    {
        "event": ["beer_products", "beer_selection"],
        "count": 22676,
        "dropped": 0,
        "of_first": 1.0,
        "of_previous": 1.0,
        "median_s": None,
    },
    {
        "event": ["beer_cart"],
        "count": 3940,
        "dropped": 18736,
        "of_first": 0.173752,
        "of_previous": 0.173752,
        "median_s": 56.848154,
    },
]
_RANGE = ["2026-11-20T00:00:00+00:00", "2026-11-22T00:00:00+00:00"]
_SCOPE = {"site_id": None, "window": "visits", "date_range": _RANGE, "timezone": "UTC", "filters": []}
FUNNEL_ANSWER: dict[str, Any] = {
    "steps": _STEPS,
    "conversion": 0.173752,
    "counted": "sessions",
    "breakdown": [{"value": "letter", "other": False, "steps": _STEPS, "conversion": 0.173752}],
    "truncated_sessions": 0,
    "as_of": AS_OF,
    "query": {
        **_SCOPE,
        "steps": [
            {"event": ["beer_products", "beer_selection"], "filters": []},
            {"event": "beer_cart", "filters": []},
        ],
        "order": "loose",
        "within": None,
        "breakdown": "utm_source",
        "limit": 1,
    },
}

PATHS: dict[str, Any] = {"date_range": "7d", "from": "beer_cart", "levels": 2, "most": 2, "collapse_repeats": False}
PATHS_ANSWER: dict[str, Any] = {
    "sessions": 23089,
    "nodes": [
        {"id": "0:event:beer_cart", "level": 0, "kind": "event", "event": "beer_cart", "sessions": 23089},
        {"id": "1:exit", "level": 1, "kind": "exit", "event": None, "sessions": 7787},
        {"id": "1:event:beer_products", "level": 1, "kind": "event", "event": "beer_products", "sessions": 6401},
        {"id": "1:event:beer_checkout", "level": 1, "kind": "event", "event": "beer_checkout", "sessions": 5700},
        {"id": "1:other", "level": 1, "kind": "other", "event": None, "sessions": 3201},
    ],
    "links": [
        {"source": "0:event:beer_cart", "target": "1:exit", "sessions": 7787},
        {"source": "0:event:beer_cart", "target": "1:event:beer_products", "sessions": 6401},
        {"source": "0:event:beer_cart", "target": "1:event:beer_checkout", "sessions": 5700},
        {"source": "0:event:beer_cart", "target": "1:other", "sessions": 3201},
    ],
    "as_of": AS_OF,
    "query": {**_SCOPE, "from": "beer_cart", "to": None, "levels": 1, "most": 2, "collapse_repeats": False},
}

RETENTION: dict[str, Any] = {"date_range": "30d", "period": "week", "periods": 4, "timezone": "Europe/Berlin"}
RETENTION_ANSWER: dict[str, Any] = {
    "cohorts": [
        {"cohort": "2026-11-09", "size": 31427, "returned": [31427, 14743, 3586]},
        {"cohort": "2026-11-16", "size": 20381, "returned": [20381, 2442]},
        {"cohort": "2026-11-23", "size": 2645, "returned": [2645]},
    ],
    "as_of": AS_OF,
    "query": {**_SCOPE, "period": "week", "periods": 12, "returning_event": None, "first": "ever"},
}

EVENT_NAMES: dict[str, Any] = {"date_range": "7d", "limit": 2}
EVENT_NAMES_ANSWER: dict[str, Any] = {
    "events": [
        {"event": "beer_vitrine_nav", "sessions": 11904, "place": 1.21},
        {"event": "beer_products", "sessions": 9317, "place": 2.35},
    ],
    "truncated": True,
    "sessions": 20000,
    "as_of": AS_OF,
    "query": {**_SCOPE, "limit": 2},
}
