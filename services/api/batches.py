"""A request's body as clicks and rejections. Pure but for the ids it makes."""

from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import msgspec

from clickloom.click import MAX_DEPTH, Click, normalise, parse_click
from clickloom.errors import RejectedInput

MAX_EVENTS = 1_000
MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rejection:
    index: int
    code: str
    message: str
    payload: bytes


@dataclass(slots=True)
class Sorted:
    """What a body holds."""

    clicks: list[Click] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


def sort_events(body: bytes, *, received_us: int, future_bound_us: int, random_bits: int) -> Sorted:
    """Each event of the body on its own merits: a bad one does not harm its neighbours.

    random_bits: 74 fresh random bits, from which the ids of events without one are made. Raises RejectedInput if the
    body as a whole is no JSON object or array of at most MAX_EVENTS.
    """
    found = Sorted()
    for index, raw in enumerate(_events(body)):
        try:
            click = parse_click(raw)
            new_event_id = partial(uuid7, received_us // 1_000, random_bits + index)
            found.clicks.append(
                normalise(click, received_us=received_us, future_bound_us=future_bound_us, new_event_id=new_event_id)
            )
        except RejectedInput as error:
            found.rejected.append(Rejection(index, error.code, str(error), bytes(raw)))
    return found


def _events(body: bytes) -> list[msgspec.Raw]:
    try:
        events = _decode_array(body) if body.lstrip()[:1] == b"[" else [_decode_one(body)]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedInput("malformed_json", f"the body is no JSON: {error}") from error
    except RecursionError as error:
        raise RejectedInput("malformed_json", f"the body is nested deeper than {MAX_DEPTH} levels") from error
    if len(events) > MAX_EVENTS:
        raise RejectedInput("too_many_events", f"{len(events)} events in one request; send at most {MAX_EVENTS}")
    return events


_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_one = msgspec.json.Decoder(msgspec.Raw).decode


def uuid7(unix_ms: int, random_bits: int) -> str:
    """A UUID of version 7 (RFC 9562): its time first, so that ids of one moment lie together."""
    value = (unix_ms & (1 << 48) - 1) << 80 | 7 << 76
    value |= (random_bits >> 62 & 0xFFF) << 64 | 0b10 << 62 | random_bits & (1 << 62) - 1
    return str(UUID(int=value))
