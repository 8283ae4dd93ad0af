"""Open sessions for which a trigger may fire, and from which event time on. Pure.

A segment of stored sessions never changes, so it is judged once; what can fire of it is remembered as long as the
segment is there. A look at a million open sessions then costs what has changed since the last one.
"""

from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

from clickloom.session import ClosedBy, Session
from clickloom.stored_part import StoredPart
from clickloom.triggers.trigger import Trigger
from clickloom.windows.live import Live
from clickloom.windows.names import EventNames
from clickloom.windows.record import session_records
from clickloom.windows.rules import Rules
from clickloom.windows.stored import Segment, decode_live
from services.triggers.decisions import Fired


class Candidate(NamedTuple):
    key: str  # the visitor's
    session: Session
    trigger: Trigger
    due_us: int


class Candidates:
    """Of one part. It must be looked at by one caller at a time."""

    def __init__(self, window: str, rules: Rules) -> None:
        self._window = window
        self._rules = rules
        self._triggers: Sequence[Trigger] = ()
        self._judged: dict[int, tuple[Segment, list[Candidate]]] = {}

    def due(self, part: StoredPart, triggers: Sequence[Trigger]) -> list[Fired]:
        """What fires now; again at each look, until the session changes or closes."""
        if triggers != self._triggers:
            self._triggers, self._judged = triggers, {}
        known = {number: found for number, found in self._judged.items() if part.segments.get(number) is found[0]}
        names = EventNames(self._rules.conversion_events)
        names.restore(part.names)
        later: set[str] = set()  # visitors of whom a later segment tells
        missing = part.segments.keys() - known.keys()
        for number, segment in reversed(part.segments.items()):
            if not missing:
                break
            if number in missing:
                known[number] = (segment, list(self._judge(segment, later, names)))
                missing.discard(number)
            later.update(segment.sessions, segment.forgotten)
        self._judged = known
        return [
            Fired(one.trigger, one.session, "open", part.watermark_us)
            for number, (_, candidates) in sorted(known.items())
            for one in candidates
            if one.due_us <= part.watermark_us and _is_newest(part, number, one.key)
        ]

    def forget(self) -> None:
        """Keep nothing until the next look."""
        self._triggers, self._judged = (), {}

    def _judge(self, segment: Segment, later: Set[str], names: EventNames) -> Iterator[Candidate]:
        """Most sessions need not be decoded to know that no trigger's event is in them.

        later: visitors to leave out. What is outdated may have codes that are other names' now, or nobody's.
        """
        events = {event for trigger in self._triggers if (event := trigger.conditions.event)} & set(names.texts)
        codes = [code.to_bytes(4, "little") for code in names.add(events)]
        emitted: list[tuple[Live, str, ClosedBy]] = [
            (live, key, "gap")
            for key, stored in segment.sessions.items()
            if key not in later and any(code in stored for code in codes)
            for live in decode_live(stored)
            if not live.emitted
        ]
        for (_, key, _), session in zip(emitted, self._records(emitted, names), strict=True):
            for trigger in self._triggers:
                if (due_us := trigger.due_us(session)) is not None:
                    yield Candidate(key, session, trigger, due_us)

    def _records(self, emitted: list[tuple[Live, str, ClosedBy]], names: EventNames) -> list[Session]:
        return session_records(emitted, window=self._window, names=names, rules=self._rules)


def _is_newest(part: StoredPart, number: int, key: str) -> bool:
    """Whether no later segment tells of the visitor."""
    later = (segment for other, segment in part.segments.items() if other > number)
    return not any(key in segment.sessions or key in segment.forgotten for segment in later)
