"""`clickloom sessionize`: the window code over a file, with no server."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, BinaryIO, NamedTuple

import msgspec

from clickloom.session import Session
from clickloom.times import SECOND_US, iso
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import StaggerWindow, Window
from clickloom.windows.watermark import NEVER_US
from clickloom.wire import Changelog, LateClick, RecordBatch
from services.cli.source import Format, Line

CHUNK = 4_000  # clicks that are put into sessions at once, if nothing asks for less
LOOKAHEAD = 10_000  # lines in which a watermark line says that the input tells its own watermark


class Emitted(NamedTuple):
    """What one chunk gave, and the late clicks with the lines that they came in."""

    changelog: Changelog
    late: list[tuple[LateClick, bytes]]


class Reading:
    """One window over one finite input in its order, with one watermark.

    Clicks go into sessions in chunks. A chunk ends wherever it could make a difference, so that what is due is emitted
    first, as if every click came alone: before a click behind the watermark, and when a clock that matters moves on.
    """

    def __init__(self, window: Window, rules: Rules, *, explicit_watermark: bool = False) -> None:
        self._partition = Partition(window, rules)
        self._out_of_orderness_us = rules.out_of_orderness_us
        self._by_arrival = isinstance(window, StaggerWindow)
        self._explicit = explicit_watermark
        self._chunk: list[Line] = []
        self._greatest_us = NEVER_US
        self._arrival_us = NEVER_US
        self._told_arrivals = False

    def take(self, line: Line) -> Iterator[Emitted]:
        """Take in the next click or watermark; gives what was emitted on the way."""
        if line.click is None:
            self._explicit = True
            yield self._flush()
            self._partition.advance(line.watermark_us or 0)
            yield self._emitted()
            return
        time_us = line.click.time_us
        self._told_arrivals |= line.arrival_us is not None
        # Without one of its own a click arrives at its event time, but never before the one before it.
        arrival_us = max(self._arrival_us, time_us if line.arrival_us is None else line.arrival_us)
        passes = arrival_us > self._arrival_us and (self._by_arrival or self._told_arrivals)
        if passes or time_us < self._watermark_us() or len(self._chunk) == CHUNK:
            yield self._flush()
        if passes:
            (self._partition.tick if self._explicit else self._partition.idle)(arrival_us)
            yield self._emitted()
        self._arrival_us = arrival_us
        self._greatest_us = max(self._greatest_us, time_us)
        self._chunk.append(line)

    def end(self) -> Iterator[Emitted]:
        """The input has ended: everything closes."""
        yield self._flush()
        self._partition.finish()
        yield self._emitted()

    def _watermark_us(self) -> int:
        watermark_us = self._partition.watermark.us
        return watermark_us if self._explicit else max(watermark_us, self._greatest_us - self._out_of_orderness_us)

    def _flush(self) -> Emitted:
        if self._chunk:
            batch = RecordBatch.of([line.click for line in self._chunk if line.click], self._arrival_us)
            self._partition.apply(batch, explicit_watermark=self._explicit)
        emitted = self._emitted()
        self._chunk = []
        return emitted

    def _emitted(self) -> Emitted:
        changelog = self._partition.take_changes(0).changelog
        if not changelog.late:
            return Emitted(changelog, [])
        raw = {(line.click.event_id, line.click.key): line.raw for line in self._chunk if line.click}
        return Emitted(changelog, [(late, raw[late.event_id, late.key]) for late in changelog.late])


def read(lines: Iterable[Line], window: Window, rules: Rules) -> Iterator[Emitted]:
    """What is emitted while the input is read, and at its end."""
    lines = iter(lines)
    first = list(islice(lines, LOOKAHEAD))
    reading = Reading(window, rules, explicit_watermark=any(line.click is None for line in first))
    for line in chain(first, lines):
        yield from reading.take(line)
    yield from reading.end()


class Final:
    """The sessions that stand, as the changelog makes them; those that can no longer change leave."""

    def __init__(self, window: Window, rules: Rules) -> None:
        self._keep_us = 2 * window.reach_us + rules.allowed_lateness_us
        self._standing: dict[bytes, Session] = {}  # in the order of their last emission

    def apply(self, changelog: Changelog) -> tuple[list[Session], list[Session]]:
        """The − rows, whole, and the + rows."""
        minus = [self._standing.pop(row.uid) for row in changelog.minus]
        self._standing.update((row.uid, row) for row in changelog.plus)
        return minus, changelog.plus

    def take_settled(self, watermark_us: int) -> Iterator[Session]:
        """The sessions at the front that no click can change any more."""
        while self._standing:
            uid, session = next(iter(self._standing.items()))
            if session.end_us + self._keep_us >= watermark_us:
                return
            del self._standing[uid]
            yield session


def sessionize(lines: Iterable[Line], window: Window, rules: Rules) -> Iterator[Session]:
    """The final sessions, nearly in the order in which they ended."""
    final = Final(window, rules)
    for emitted in read(lines, window, rules):
        final.apply(emitted.changelog)
        yield from final.take_settled(emitted.changelog.watermark_us)


def write_final(emissions: Iterable[Emitted], final: Final, output: BinaryIO) -> None:
    """Each session once, when nothing can change it any more."""
    for emitted in emissions:
        final.apply(emitted.changelog)
        for session in final.take_settled(emitted.changelog.watermark_us):
            output.write(_json(_fields(session)))


def write_changelog(emissions: Iterable[Emitted], final: Final, output: BinaryIO) -> None:
    """Every − and + row as it is emitted; a − row shows the session that it takes back."""
    for emitted in emissions:
        minus, plus = final.apply(emitted.changelog)
        output.writelines(_json({"op": "-", **_fields(session)}) for session in minus)
        output.writelines(_json({"op": "+", **_fields(session)}) for session in plus)
        deque(final.take_settled(emitted.changelog.watermark_us), maxlen=0)


def tee_late(emissions: Iterable[Emitted], form: Format, output: BinaryIO) -> Iterator[Emitted]:
    """Write late clicks on the way past: the line as it came, with the reason, the watermark and how late it was."""
    for emitted in emissions:
        for late, raw in emitted.late:
            output.write(_json({**_as_it_came(raw, form), **_why_late(late)}))
        yield emitted


def _as_it_came(raw: bytes, form: Format) -> dict[str, Any]:
    if form is Format.combined:
        return {"line": raw.decode("utf-8", "replace").rstrip()}
    return msgspec.json.decode(raw, type=dict[str, Any])


def _why_late(late: LateClick) -> dict[str, Any]:
    late_by_sec = late.late_by_us / SECOND_US
    return {"reason": late.reason, "watermark": iso(late.watermark_us), "late_by_sec": late_by_sec}


def _json(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _fields(session: Session) -> dict[str, Any]:
    return {
        "session_uid": session.session_uid,
        "session_id": session.session_id,
        "site_id": session.site_id,
        "user_id": session.user_id,
        "device_id": session.device_id,
        "begin_session": iso(session.begin_us),
        "end_session": iso(session.end_us),
        "events": session.events,
        "begin_navigation": session.begin_navigation,
        "end_navigation": session.end_navigation,
        "duration_sec": session.duration_sec,
        "closed_by": session.closed_by,
        "version": session.version,
    }
