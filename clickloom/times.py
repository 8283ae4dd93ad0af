"""Time as this code keeps it: integer microseconds since 1970, UTC, in names that end in `_us`."""

import re
import time
from datetime import UTC, datetime, timedelta

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
DAY_US = 86_400 * SECOND_US

FIRST_US = -62_135_596_800_000_000  # the first moment of the year 1, before which Python's dates have none
LAST_US = 253_402_300_799_999_999  # the last moment of the year 9999, after which Python and JSON dates have none

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS_US = {"us": 1, "ms": 1_000, "s": SECOND_US, "m": MINUTE_US, "h": 60 * MINUTE_US, "d": DAY_US}
_DURATION = re.compile(r"(-?\d+(?:\.\d+)?)\s*(us|ms|s|sec|m|min|h|d)")


def now_us() -> int:
    """The wall clock; only the edges of a process read it."""
    return time.time_ns() // 1_000


def from_datetime(moment: datetime) -> int:
    """µs of a datetime; one without a zone is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND_US + since.microseconds


def to_datetime(moment_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=moment_us)


def parse_time(value: str | int) -> int:
    """µs of an ISO 8601 text (UTC if it names no zone) or of integer milliseconds.

    Raises ValueError for a text that is no ISO 8601 time.
    """
    if isinstance(value, int):
        return value * 1_000
    return from_datetime(datetime.fromisoformat(value))


def iso(moment_us: int) -> str:
    """`2021-02-26T13:31:00Z`, with six decimals only if there are any."""
    return to_datetime(moment_us).isoformat().replace("+00:00", "Z")


def parse_duration(text: str) -> int:
    """µs of `30m`, `30 min`, `1.5h`, `90s`, `250ms`. Raises ValueError for anything else."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration: write a number and one of us, ms, s, m, h, d, as 30m")
    number, unit = match.groups()
    unit = {"sec": "s", "min": "m"}.get(unit, unit)
    return round(float(number) * _UNITS_US[unit])


def format_duration(duration_us: int) -> str:
    """The shortest text that `parse_duration` reads back: `30m`, `90s`."""
    for unit in ("d", "h", "m", "s", "ms"):
        if duration_us % _UNITS_US[unit] == 0 and duration_us:
            return f"{duration_us // _UNITS_US[unit]}{unit}"
    return f"{duration_us}us"
