"""Numbers by hour; funnels, paths, retention and lists of sessions, as the dashboard asks for them."""

from collections.abc import Mapping
from typing import Any

EVENTS = ["beer_vitrine_nav", "beer_products", "beer_product_detail", "beer_cart", "beer_checkout"]
STEPS = [{"event": event} for event in EVENTS]
PAYS = [*STEPS[:4], {"event": EVENTS[4], "filters": [["at_least", "revenue", [20]]]}]

NUMBERS = ["sessions", "visitors", "conversion_rate", "bounce_rate", "revenue", "duration_avg"]

# name → (path, what is asked beside site and range)
ANALYSES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "numbers by hour": ("/v1/query", {"metrics": NUMBERS, "dimensions": ["time:hour"], "limit": 1_000}),
    "funnel of 5 steps": ("/v1/funnels", {"steps": STEPS}),
    "funnel, strict": ("/v1/funnels", {"steps": STEPS, "order": "strict"}),
    "funnel, by source": ("/v1/funnels", {"steps": STEPS, "breakdown": "utm_source"}),
    "funnel of users in 7 days": ("/v1/funnels", {"steps": STEPS, "within": "7d"}),
    "funnel with a filter on clicks": ("/v1/funnels", {"steps": PAYS}),
    "paths from an event": ("/v1/paths", {"from": "beer_cart"}),
    "paths from the begin": ("/v1/paths", {"levels": 5}),
    "paths, collapsed": ("/v1/paths", {"levels": 5, "collapse_repeats": True}),
    "retention by week": ("/v1/retention", {}),
    "retention in the range": ("/v1/retention", {"first": "range"}),
}

# name → parameters
LISTS: Mapping[str, dict[str, str]] = {
    "sessions, first page": {},
    "sessions, converted": {"converted": "true"},
    "sessions, of a source on mobiles": {"utm_source": "google", "device_type": "mobile"},
    "sessions, with an event": {"event": "beer_checkout"},
    "sessions, longest first": {"order": "-duration_sec"},
}
