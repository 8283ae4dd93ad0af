"""Clicks for tests, in a line."""

import itertools

from clickloom.click import Click, normalise
from clickloom.times import SECOND_US
from clickloom.wire import RecordBatch

_numbers = itertools.count()


def click(seconds: float, *, user: str = "64", event: str = "beer_products", **more: object) -> Click:
    """A normalised click `seconds` after 1970."""
    fields = {"device_id": "computer", "event_id": f"e{next(_numbers)}", **more}
    made = Click(user_id=user, client_event=event, client_timestamp=0, **fields)  # type: ignore[arg-type]  # by name
    normalise(made, received_us=0, future_bound_us=0, new_event_id=str)
    made.client_timestamp = round(seconds * SECOND_US)
    return made


def batch(*clicks: Click, arrival: float = 1e9) -> RecordBatch:
    return RecordBatch.of(clicks, round(arrival * SECOND_US))
