"""The original system's events: who, where and what drawn anew for each. Pure."""

from random import Random

from clickloom.click import Click
from clickloom.times import iso

USER_RANGES = tuple(range(first, first + 31) for first in (1, 32, 63, 94, 125))
DEVICES = ("mobile", "computer", "tablet", "mobile", "computer")  # named twice: drawn twice as often
EVENTS = (
    "beer_vitrine_nav",
    "beer_checkout",
    "beer_product_detail",
    "beer_products",
    "beer_selection",
    "beer_cart",
)


class Original:
    """A model without memory; its sessions are what the windows make of them."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def click(self, time_us: int) -> Click:
        """One event in the client's form: an integer user, a time without a zone, an id so that a retry is known."""
        random = self._random
        return Click(
            user_id=random.choice(random.choice(USER_RANGES)),
            device_id=random.choice(DEVICES),
            client_event=random.choice(EVENTS),
            client_timestamp=iso(time_us).removesuffix("Z"),
            event_id=f"{random.getrandbits(64):016x}",
        )

    def finish(self) -> None:
        """Nothing is left open."""
