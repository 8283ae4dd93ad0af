"""When a webhook is sent again. Pure: chance is an argument."""

from collections.abc import Sequence

from clickloom.errors import InvalidSetting
from clickloom.times import DAY_US, parse_duration

JITTER = 0.1  # of the wait, to either side: receivers that come back do not meet all of it at once


def parse_waits(text: str) -> tuple[int, ...]:
    """µs between attempts: `5s, 5m, 30m`. Raises InvalidSetting."""
    try:
        waits = tuple(parse_duration(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InvalidSetting(f"WEBHOOK_RETRIES: {error}") from error
    if any(not 0 <= wait_us <= 30 * DAY_US for wait_us in waits):
        raise InvalidSetting("WEBHOOK_RETRIES: each wait must be from 0s to 30d")
    return waits


def next_wait_us(waits: Sequence[int], attempts: int, *, asked_us: int, chance: float) -> int | None:
    """How long to wait after so many attempts; None: that was the last.

    asked_us: what the receiver's Retry-After asks for, at most a day of which is granted. chance: 0 to 1.
    """
    if attempts > len(waits):
        return None
    jittered = waits[attempts - 1] * (1 + JITTER * (2 * chance - 1))
    return max(round(jittered), min(asked_us, DAY_US))
