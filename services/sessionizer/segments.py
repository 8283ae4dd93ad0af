"""How a part's sessions are kept in Redis: a log of segments, one a commit. Pure.

A segment holds the sessions that its commit changed, as one value. The newest value of a visitor counts; when too much
of the log is outdated, a commit writes what still counts of the oldest segments once more, and drops them
(see docs/decisions/0002-commit-by-function.md).
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from clickloom.keys import Person
from clickloom.windows.stored import VERSION, Segment, decode_segment, take_over
from clickloom.wire import encode

OUTDATED_SHARE = 0.5  # of what counts: more than that is dropped, so that an open session takes 200 bytes at most
SLACK_BYTES = 64 * 1024  # outdated bytes that are never worth a rewrite
REWRITTEN = 2_000  # visitors written once more by one commit, at most and until the segment is done

_BYTES_BITS = 32


class Segments:
    """Which segment holds each visitor's newest sessions, and which are to be dropped."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}  # visitor → number of the segment and bytes of the value, in one integer
        self._visitors: dict[int, Sequence[str]] = {}  # oldest segment first
        self._forgotten: dict[int, Sequence[str]] = {}  # by segment
        self._bytes: dict[int, int] = {}
        self._stored_bytes = 0
        self._live_bytes = 0
        self._dropped: list[int] = []
        self._still_forgotten: list[str] = []  # as only dropped segments said, of older ones that stay

    def restore(self, number: int, stored: bytes, sessions: dict[str, bytes]) -> None:
        """Take back one segment, the oldest first, and bring the sessions up to it. Raises UnknownVersion."""
        segment = decode_segment(stored)
        self._note(number, segment, len(stored))
        take_over(segment, sessions)

    def outdated(self) -> list[str]:
        """Visitors to be written once more with the next segment, so that the oldest can go."""
        visitors: list[str] = []
        while self._stored_bytes > (1 + OUTDATED_SHARE) * self._live_bytes + SLACK_BYTES and len(visitors) < REWRITTEN:
            oldest = next(iter(self._visitors))
            del self._forgotten[oldest]
            visitors += self._drop(oldest)
        return visitors

    def expel(self, person: Person) -> list[str]:
        """Drop every segment that names the person; returns the others in them, to be written once more with the next.

        The cut must not have the person any more.
        """
        naming = [number for number in self._visitors if any(map(person.owns, self._named(number)))]
        visitors = [visitor for number in naming for visitor in self._drop(number)]
        forgotten = [visitor for number in naming for visitor in self._forgotten.pop(number)]
        self._still_forgotten += [visitor for visitor in forgotten if not person.owns(visitor)]
        mask = (1 << _BYTES_BITS) - 1
        theirs = list(filter(person.owns, self._newest))
        self._live_bytes -= sum(self._newest.pop(visitor) & mask for visitor in theirs)
        return [visitor for visitor in visitors if not person.owns(visitor)]

    def _named(self, number: int) -> Iterator[str]:
        return chain(self._visitors[number], self._forgotten[number])

    def _drop(self, number: int) -> list[str]:
        """The visitors whose newest sessions the segment holds."""
        members = self._visitors.pop(number)
        self._stored_bytes -= self._bytes.pop(number)
        self._dropped.append(number)
        return [visitor for visitor in members if self._newest.get(visitor, -1) >> _BYTES_BITS == number]

    def add(self, number: int, sessions: dict[str, bytes], forgotten: Sequence[str]) -> tuple[bytes, list[int]]:
        """The segment of commit `number`, empty if nothing changed, and the numbers of those that it replaces."""
        dropped, self._dropped = self._dropped, []
        still, self._still_forgotten = self._still_forgotten, []
        gone = [visitor for visitor in forgotten if visitor in self._newest]
        gone += [visitor for visitor in still if visitor not in self._newest and visitor not in sessions]
        segment = Segment(VERSION, sessions, gone)
        if not (segment.sessions or segment.forgotten):
            return b"", dropped
        value = encode(segment)
        self._note(number, segment, len(value))
        return value, dropped

    def _note(self, number: int, segment: Segment, size: int) -> None:
        newest, live_bytes, tag = self._newest, self._live_bytes, number << _BYTES_BITS
        mask = (1 << _BYTES_BITS) - 1
        for visitor, value in segment.sessions.items():
            length = len(value)
            live_bytes += length - (newest.get(visitor, 0) & mask)
            newest[visitor] = tag | length
        for visitor in segment.forgotten:
            live_bytes -= newest.pop(visitor, 0) & mask
        self._live_bytes = live_bytes
        self._visitors[number] = list(segment.sessions)
        self._forgotten[number] = segment.forgotten
        self._bytes[number] = size
        self._stored_bytes += size
