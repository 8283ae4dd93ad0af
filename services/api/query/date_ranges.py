"""Which stretch of time a question is about. Pure: the clock is an argument.

`day`, `24h`, `7d`, `30d`, `month`, `12mo` as in Plausible's Stats API, or two dates or times; days and months are those
of a time zone. A stretch is half open: [begin, end).
"""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

NAMED = ("day", "24h", "7d", "30d", "month", "12mo")
Comparison = Literal["previous_period", "year_before"]

EARLIEST, LATEST = date(1970, 1, 1), date(2200, 1, 1)


class InvalidRange(ValueError):
    """What was written is no stretch of time, or no zone."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """[begin, end), both with the question's zone."""

    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end.astimezone(UTC) - self.begin.astimezone(UTC)).total_seconds()


def parse_zone(name: str) -> ZoneInfo:
    """Raises InvalidRange."""
    if name in _zones():
        return ZoneInfo(name)
    raise InvalidRange(f"{name!r} is no time zone; give one of the IANA's names, as Europe/Berlin or UTC")


@cache
def _zones() -> set[str]:
    return available_timezones()


def resolve(written: str | Sequence[Any], zone: ZoneInfo, now: datetime) -> Stretch:
    """Named ranges end with the day (or the hour, of `24h`) that `now` is in. Raises InvalidRange."""
    if isinstance(written, str):
        return _named(written, zone, now.astimezone(zone))
    if len(written) != 2:
        raise InvalidRange("a range of two ends has two: [first, last]")
    begin, end = _begin(written[0], zone), _end(written[1], zone)
    if begin >= end:
        raise InvalidRange(f"{written[0]} is not before {written[1]}")
    return Stretch(begin, end)


def _named(name: str, zone: ZoneInfo, now: datetime) -> Stretch:
    if name == "24h":
        this_hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return Stretch(
            (this_hour - timedelta(hours=23)).astimezone(zone), (this_hour + timedelta(hours=1)).astimezone(zone)
        )
    today = now.date()
    begins = {
        "day": today,
        "7d": today - timedelta(days=6),
        "30d": today - timedelta(days=29),
        "month": today.replace(day=1),
        "12mo": _months_later(today.replace(day=1), -11),
    }
    if name not in begins:
        raise InvalidRange(f"{name!r} is no range; one of {', '.join(NAMED)}, or two dates or times as [first, last]")
    return Stretch(_midnight(begins[name], zone), _midnight(today + timedelta(days=1), zone))


def compared(stretch: Stretch, comparison: Comparison) -> Stretch:
    """What a stretch is compared with: as many days (or as long a time) just before it, or the same a year before."""
    begin, end = stretch.begin, stretch.end
    if comparison == "year_before":
        return Stretch(_year_before(begin), _year_before(end))
    if _is_midnight(begin) and _is_midnight(end):
        return Stretch(_midnight(begin.date() - (end.date() - begin.date()), begin.tzinfo), begin)
    length = end.astimezone(UTC) - begin.astimezone(UTC)
    return Stretch((begin.astimezone(UTC) - length).astimezone(begin.tzinfo), begin)


def so_far(earlier: Stretch, stretch: Stretch, until: datetime) -> Stretch:
    """As much of the earlier stretch as has passed of the other one at `until`; all of it if that has not begun."""
    passed = until.astimezone(UTC) - stretch.begin.astimezone(UTC)
    if passed <= timedelta(0):
        return earlier
    end = min(earlier.begin.astimezone(UTC) + passed, earlier.end.astimezone(UTC))
    return Stretch(earlier.begin, end.astimezone(earlier.end.tzinfo))


def _begin(written: Any, zone: ZoneInfo) -> datetime:
    found = _parse(written)
    return _located(found, zone) if isinstance(found, datetime) else _midnight(found, zone)


def _end(written: Any, zone: ZoneInfo) -> datetime:
    """A date is meant with its whole day; a time is exclusive."""
    found = _parse(written)
    return _located(found, zone) if isinstance(found, datetime) else _midnight(found + timedelta(days=1), zone)


def _parse(written: Any) -> date | datetime:
    try:
        found = datetime.fromisoformat(written) if len(written) > len("2026-11-25") else date.fromisoformat(written)
    except (TypeError, ValueError) as error:
        raise InvalidRange(
            f"{written!r} is no date or time of ISO 8601, as 2026-11-25 or 2026-11-25T18:00:00"
        ) from error
    day = found.date() if isinstance(found, datetime) else found
    if not EARLIEST <= day < LATEST:
        raise InvalidRange(f"{written!r} is not between {EARLIEST} and {LATEST}")
    return found


def _located(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)


def _midnight(day: date, zone: tzinfo | None) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _is_midnight(moment: datetime) -> bool:
    return moment.time() == datetime.min.time()


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, calendar.monthrange(year, month + 1)[1]))


def _year_before(moment: datetime) -> datetime:
    return datetime.combine(_months_later(moment.date(), -12), moment.timetz())
