"""The original's events. Pure: random source and time are arguments."""

from dataclasses import dataclass
from random import Random
from uuid import UUID

from clickloom.click import Click
from clickloom.times import SECOND_US, iso

USER_RANGES = tuple(range(first, first + 31) for first in (1, 32, 63, 94, 125))
DEVICES = ("mobile", "computer", "tablet", "mobile", "computer")  # named twice: drawn twice as often
HISTORY_RATE = 0.2  # so few that about every other click of a visitor ends a visit by a gap of 30 minutes
EVENTS = (
    "beer_vitrine_nav",
    "beer_checkout",
    "beer_product_detail",
    "beer_products",
    "beer_selection",
    "beer_cart",
)


def make_click(random: Random, time_us: int) -> Click:
    """One event in the client's form: an integer user, a time without a zone, and an id so that a retry is known."""
    return Click(
        user_id=random.choice(random.choice(USER_RANGES)),
        device_id=random.choice(DEVICES),
        client_event=random.choice(EVENTS),
        client_timestamp=iso(time_us).removesuffix("Z"),
        event_id=str(UUID(int=random.getrandbits(128), version=4)),
    )


@dataclass(slots=True)
class TokenBucket:
    """How many events are due: `rate` a second, and no more than a second's worth after a pause."""

    rate: float
    filled_us: int
    tokens: float = 0.0

    def take(self, now_us: int) -> int:
        self.tokens += self.rate * (now_us - self.filled_us) / SECOND_US
        self.tokens = min(self.tokens, max(1.0, self.rate))
        self.filled_us = now_us
        due = int(self.tokens)
        self.tokens -= due
        return due


def history_times(random: Random, *, begin_us: int, end_us: int) -> list[int]:
    """Times of HISTORY_RATE events a second between the two, in order."""
    count = int(HISTORY_RATE * (end_us - begin_us) / SECOND_US)
    return sorted(random.randrange(begin_us, end_us) for _ in range(count))
