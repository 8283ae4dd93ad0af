"""Events that ingest must refuse: a good one, spoilt in one of the ways that happen. Pure."""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from clickloom.click import Click

Event = dict[str, Any]


def _without_user(event: Event) -> None:
    del event["user_id"]


def _set(**fields: Any) -> Callable[[Event], None]:
    return lambda event: event.update(fields)


# By the code under which ingest keeps them.
FAULTS: dict[str, tuple[Callable[[Event], None], ...]] = {
    "invalid_field": (
        _without_user,
        _set(device_id=7),
        _set(client_event=""),
        _set(user_id="u" * 200),
        _set(colour="amber"),
        _set(revenue="a lot"),
    ),
    "invalid_time": (_set(client_timestamp="yesterday"), _set(client_timestamp="2024-02-30T12:00:00Z")),
    "time_before_1970": (_set(client_timestamp=-86_400_000),),
    "time_in_future": (_set(client_timestamp="2999-12-31T23:59:59Z"),),
    "control_character": (_set(user_id="64\x1f65"),),
    "invalid_revenue": (_set(revenue="19.1234567"),),
    "properties_too_large": (_set(properties={"note": "x" * 9_000}),),
}
CUT_SHORT = "malformed_json"
_CODES = (*FAULTS, CUT_SHORT)


def spoil(click: Click, random: Random) -> bytes:
    """The click as a line that is none: one JSON text without its newline."""
    code = random.choice(_CODES)
    if code == CUT_SHORT:
        line = msgspec.json.encode(click)
        return line[: len(line) // 2]
    event = msgspec.to_builtins(click, str_keys=True)
    random.choice(FAULTS[code])(event)
    return msgspec.json.encode(event)
