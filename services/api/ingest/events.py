"""What came in as clicks and rejections. Pure but for the ids it makes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import msgspec

from clickloom.click import DEFAULT_SITE, MAX_DEPTH, Click, normalise, parse_click
from clickloom.errors import RejectedInput
from services.api.ingest.privacy import Privacy

MAX_EVENTS = 1_000


@dataclass(frozen=True, slots=True)
class Rejection:
    index: int
    code: str
    message: str
    payload: bytes


@dataclass(slots=True)
class Sorted:
    """What a request holds."""

    clicks: list[Click] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which a request's events become clicks."""

    received_us: int
    future_bound_us: int
    random_bits: int  # 74 fresh ones, from which the ids of events without one are made
    site_id: str | None = None  # that the sender's key binds
    user_agent: str | None = None  # of the visitor, if the request is its own
    address: str = ""  # of the sender
    privacy: Privacy = field(default_factory=Privacy)

    def click(self, index: int, click: Click) -> Click:
        """Raises RejectedInput."""
        if self.site_id is not None:
            if click.site_id not in (DEFAULT_SITE, self.site_id):
                raise RejectedInput("wrong_site", f"site_id: this key is of the site {self.site_id}; leave site_id out")
            click.site_id = self.site_id
        if click.user_agent is None:
            click.user_agent = self.user_agent
        self.privacy.apply(click, self.address)
        return normalise(
            click,
            received_us=self.received_us,
            future_bound_us=self.future_bound_us,
            new_event_id=partial(uuid7, self.received_us // 1_000, self.random_bits + index),
        )


Raw = bytes | msgspec.Raw


def sort_events(raws: Iterable[Raw], terms: Terms, parse: Callable[[Raw], Click] = parse_click) -> Sorted:
    """Each event on its own merits: a bad one does not harm its neighbours."""
    found = Sorted()
    for index, raw in enumerate(raws):
        try:
            found.clicks.append(terms.click(index, parse(raw)))
        except RejectedInput as error:
            found.rejected.append(Rejection(index, error.code, str(error), bytes(raw)))
    return found


def split_json(body: bytes) -> Sequence[Raw]:
    """The event that a body is, or the events of the array that it is. Raises RejectedInput."""
    try:
        events = _decode_array(body) if body.lstrip()[:1] == b"[" else [_decode_one(body)]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedInput("malformed_json", f"the body is no JSON: {error}") from error
    except RecursionError as error:
        raise RejectedInput("malformed_json", f"the body is nested deeper than {MAX_DEPTH} levels") from error
    return _few(events)


def split_lines(body: bytes) -> Sequence[Raw]:
    """The events of newline-delimited JSON; blank lines are none. Raises RejectedInput."""
    return _few([line for line in body.splitlines() if not line.isspace() and line])


def _few(events: Sequence[Raw]) -> Sequence[Raw]:
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
