"""Visits that views are shown of: always the same."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random

from clickloom.session import Session, Touch
from clickloom.times import SECOND_US
from tests.sessions import session

MIDNIGHT = 1_743_033_600  # 27 March 2025, UTC, a Thursday
DAY, HOUR = 86_400, 3_600
RANGE = "2025-03-28,2025-03-29"
ASKED = {"from": "2025-03-28T00:00:00Z", "to": "2025-03-30T00:00:00Z"}  # the same, of GET /v1/sessions
EVENTS = ["beer_vitrine_nav", "beer_products", "beer_selection", "beer_cart", "beer_checkout"]


def visits(number: int = 80) -> list[Session]:
    """Of three days, the first of which is before RANGE; always the same."""
    return list(_visits(number, Random(7)))


def _visits(number: int, chance: Random) -> Iterator[Session]:
    for at in range(number):
        events = chance.choice([1, 1, 2, 3, 5])
        duration_s = 0 if events == 1 else chance.choice([4, 12, 47, 65, 200, 1_300])
        path = [chance.choice(EVENTS[:4]), *(chance.choice(EVENTS) for _ in range(events - 1))]
        order = "beer_checkout" in path
        begin_s = MIDNIGHT + at * (3 * DAY // number) + chance.randrange(600)
        yield session(
            begin_s,
            user=f"u{chance.randrange(number // 2)}",
            device_type=chance.choice(["mobile", "mobile", "computer", "tablet"]),
            end_us=(begin_s + duration_s) * SECOND_US,
            events=events,
            begin_navigation=path[0],
            end_navigation=path[-1],
            path=path,
            path_offsets_us=[duration_s * SECOND_US * step // max(events - 1, 1) for step in range(events)],
            touch=_touch(chance, order),
            converted=order,
            orders=int(order),
            revenue=Decimal(chance.randrange(500, 5_000)) / 100 if order else Decimal(0),
            bounced=duration_s < 20 and not order,
        )


def _touch(chance: Random, order: bool) -> Touch:
    source, campaign = chance.choice([(None, None), ("letter", "spring"), ("google", "brand")])
    return Touch(
        entry_url=chance.choice(["https://shop.example/", "https://shop.example/products?page=2", None]),
        referrer=chance.choice(["https://www.google.com/", None]),
        utm_source=source,
        utm_campaign=campaign,
        experiments={"checkout": chance.choice("AB")},
        currency="EUR" if order else None,
    )
