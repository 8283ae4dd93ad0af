"""Time and filters of a question, which all questions in a body have: what they mean, and what is wrong with them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from services.api.problems import wrong_parameter
from services.api.query.date_ranges import InvalidRange, Stretch, parse_zone, resolve
from services.api.query.filters import Filter, InvalidFilter, parse_filters


class Scope(NamedTuple):
    zone: ZoneInfo
    stretch: Stretch
    filter: Filter


def parse_scope(date_range: str | list[str], timezone: str, filters: Sequence[JsonValue], now: datetime) -> Scope:
    """Raises Problem, which names the member and what is possible."""
    try:
        zone = parse_zone(timezone)
    except InvalidRange as error:
        raise wrong_parameter("timezone", str(error)) from error
    try:
        stretch = resolve(date_range, zone, now)
    except InvalidRange as error:
        raise wrong_parameter("date_range", str(error)) from error
    try:
        return Scope(zone, stretch, parse_filters(filters))
    except InvalidFilter as error:
        raise wrong_parameter(error.where, error.message) from error
