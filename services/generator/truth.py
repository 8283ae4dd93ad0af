"""The truth about generated traffic: what a right pipeline must have made of it. JSON lines, a record each.

First a `run` (how it was made), then a `session` for every visit as it ends and a `late` for every click that must be
refused, in the end an `end` with the totals: a truth without it was cut short.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec

from clickloom.errors import InvalidSetting


class Visit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What of a session is compared: the names and forms of `clickloom sessionize`. None: not told."""

    user_id: str
    device_id: str
    begin_session: datetime
    end_session: datetime
    events: int
    begin_navigation: str
    end_navigation: str
    converted: bool | None = None
    orders: int | None = None
    revenue: Decimal | None = None


class TrueSession(Visit, frozen=True, kw_only=True, gc=False, tag_field="record", tag="session"):
    """A visit, counting each click once and no late or malformed one; a bot's if these make sessions."""

    bot: bool = False


class TrueLate(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="record", tag="late"):
    """A click that came so late that it must be refused."""

    event_id: str
    user_id: str
    device_id: str
    client_event: str
    client_timestamp: datetime


class Run(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="run"):
    """How the traffic was made, so that it can be made again, and under which window the truth holds."""

    model: str
    seed: int
    rate: float
    start: datetime
    site_id: str
    window: str
    gap_us: int
    out_of_orderness_us: int
    allowed_lateness_us: int


class End(msgspec.Struct, kw_only=True, tag_field="record", tag="end"):
    """How many lines there were, and of what kind; `lines` is the sum of the others."""

    lines: int = 0
    clicks: int = 0  # that sessions count
    duplicates: int = 0
    late: int = 0
    malformed: int = 0
    bots: int = 0  # clicks that make no sessions


Record = Run | TrueSession | TrueLate | End

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


def as_line(record: Record) -> bytes:
    return _encode(record) + b"\n"


@dataclass(slots=True)
class Truth:
    """A whole truth as read."""

    run: Run
    end: End
    sessions: list[TrueSession]
    late: list[TrueLate]


def read_truth(lines: Iterable[bytes]) -> Truth:
    """Raises InvalidSetting for what is no truth, or not the whole of one."""
    records = list(_records(lines))
    runs = [record for record in records if isinstance(record, Run)]
    ends = [record for record in records if isinstance(record, End)]
    if (len(runs), len(ends)) != (1, 1):
        raise InvalidSetting("the truth has no begin or no end: was the generator cut short? generate it again")
    sessions = [record for record in records if isinstance(record, TrueSession)]
    late = [record for record in records if isinstance(record, TrueLate)]
    return Truth(runs[0], ends[0], sessions, late)


def _records(lines: Iterable[bytes]) -> Iterator[Record]:
    for number, line in enumerate(lines, start=1):
        try:
            yield _decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidSetting(f"line {number} of the truth is no record of one: {error}") from error
