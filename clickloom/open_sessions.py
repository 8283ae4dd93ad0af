"""Sessions that are open: live, and in no + row. As they stand in Redis, with the last commits of the sessionizers."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nlargest
from typing import NamedTuple

from redis.asyncio import Redis

from clickloom.keys import Keys, split_key
from clickloom.session import ClosedBy, Session, session_uid
from clickloom.stored_part import PartReader, StoredPart
from clickloom.windows.live import PATH, Live
from clickloom.windows.names import EventNames
from clickloom.windows.record import session_records
from clickloom.windows.rules import Rules
from clickloom.windows.stored import decode_live, newest
from clickloom.windows.watermark import NEVER_US

_CODE_AT = PATH.fields["code"][1] if PATH.fields else 0  # in a record of a path

Place = tuple[int, bytes]  # in the order of a list, newest first: (begin in µs, uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which open sessions; what is None does not matter."""

    site_id: str | None = None
    user_id: str | None = None
    device_id: str | None = None
    event: str | None = None  # has happened in it
    min_duration_us: int | None = None  # from the first to the last click so far
    max_duration_us: int | None = None
    before: Place | None = None  # later in the list than this

    def of(self, key: str) -> bool:
        """Whether the visitor is wanted."""
        if self.site_id is None and self.user_id is None and self.device_id is None:
            return True
        pairs = zip((self.site_id, self.user_id, self.device_id), split_key(key), strict=True)
        return all(wanted in (None, found) for wanted, found in pairs)

    def lasts(self, duration_us: int) -> bool:
        long_enough = self.min_duration_us is None or duration_us >= self.min_duration_us
        return long_enough and (self.max_duration_us is None or duration_us <= self.max_duration_us)


class OpenSession(NamedTuple):
    """A session as it stands; of its record, `bounced` and `closed_by` say nothing yet."""

    session: Session
    watermark_us: int  # event time up to which its partition has been read

    @property
    def place(self) -> Place:
        return self.session.begin_us, self.session.uid


class _Found(NamedTuple):
    begin_us: int
    key: str
    live: Live


def find_open(part: StoredPart, *, window: str, rules: Rules, wanted: Wanted, at_most: int) -> list[OpenSession]:
    """The newest of those that are wanted, the newest first."""
    names = EventNames(rules.conversion_events)
    names.restore(part.names)
    found = list(_candidates(part, window, wanted, names))
    emitted: list[tuple[Live, str, ClosedBy]] = [(one.live, one.key, "gap") for one in _newest(found, at_most)]
    records = session_records(emitted, window=window, names=names, rules=rules)
    return nlargest(at_most, (OpenSession(one, part.watermark_us) for one in records), key=_place)


def _newest(found: list[_Found], at_most: int) -> list[_Found]:
    """With all that begin when the last of them does: only their uids, which take long to make, put those in order."""
    least_us = min(nlargest(at_most, (one.begin_us for one in found)), default=0)
    return [one for one in found if one.begin_us >= least_us]


def _place(one: OpenSession) -> Place:
    return one.place


def _candidates(part: StoredPart, window: str, wanted: Wanted, names: EventNames) -> Iterator[_Found]:
    code = names.add([wanted.event])[0] if wanted.event is not None else None
    for key, stored in newest(part.segments.values()).items():
        if not wanted.of(key):
            continue
        for live in decode_live(stored):
            if live.emitted or not wanted.lasts(live.last_us - live.begin_us):
                continue
            if code is not None and not _has(live, code):
                continue
            if wanted.before is None or _is_before(window, key, live, wanted.before):
                yield _Found(live.begin_us, key, live)


def _has(live: Live, code: int) -> bool:
    """Whether the event is in the path; the bytes of its code may also be parts of a time."""
    wanted = code.to_bytes(4, "little")
    at = live.path.find(wanted)
    while at >= 0 and at % PATH.itemsize != _CODE_AT:
        at = live.path.find(wanted, at + 1)
    return at >= 0


def _is_before(window: str, key: str, live: Live, place: Place) -> bool:
    begin_us, uid = place
    return live.begin_us < begin_us or (live.begin_us == begin_us and session_uid(window, key, begin_us) < uid)


class OpenSessions:
    """Reads them a partition at a time, in a thread, and for one question after the other: a million open sessions
    take memory and a core for a while, and neither may be taken from everything else."""

    def __init__(self, redis: Redis, *, keys: Keys, partitions: int, rules: Rules) -> None:
        self._redis = redis
        self._keys = keys
        self._partitions = partitions
        self._rules = rules
        self._turn = asyncio.Lock()

    async def page(self, window: str, wanted: Wanted, *, at_most: int) -> tuple[list[OpenSession], int | None]:
        """The newest, the newest first; and the least watermark of the partitions in µs, None before the first click.

        Raises UnknownVersion and RedisError.
        """
        found: list[OpenSession] = []
        watermarks: list[int] = []
        async with self._turn:
            for number in range(self._partitions):
                part = await PartReader(self._redis, self._keys, window, number).read()
                if part is None or part.watermark_us == NEVER_US:
                    continue
                watermarks.append(part.watermark_us)
                found += await asyncio.to_thread(
                    find_open, part, window=window, rules=self._rules, wanted=wanted, at_most=at_most
                )
        return nlargest(at_most, found, key=_place), min(watermarks, default=None)
