"""What a browser says of itself in `User-Agent`."""

import re
from functools import lru_cache
from typing import Literal

from crawleruseragents import is_crawler  # type: ignore[import-untyped]  # it has no types

# What browsers let tell kinds of devices apart, see "Browser detection using the user agent" on MDN.
_TABLET = re.compile(r"iPad|Tablet|PlayBook|Silk|Kindle|Android(?!.*Mobi)", re.IGNORECASE)
_MOBILE = re.compile(r"Mobi|iPhone|iPod", re.IGNORECASE)
_COMPUTER = re.compile(r"Windows NT|Macintosh|X11|CrOS", re.IGNORECASE)


@lru_cache(maxsize=10_000)
def is_bot(user_agent: str) -> bool:
    """Whether the list of crawler-user-agents has it: search engines, monitors, and programs that are no browser."""
    return bool(is_crawler(user_agent))


@lru_cache(maxsize=10_000)
def device_type_of_agent(user_agent: str) -> Literal["mobile", "computer", "tablet"] | None:
    """mobile, tablet or computer; None if it does not say. A tablet may say that it is a computer."""
    if _TABLET.search(user_agent):
        return "tablet"
    if _MOBILE.search(user_agent):
        return "mobile"
    return "computer" if _COMPUTER.search(user_agent) else None
