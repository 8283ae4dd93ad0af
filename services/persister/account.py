"""What a run of stream entries adds to the ledger. Pure.

An entry counts once, whatever is read again: the ledger knows how far it has counted each stream. Of a changelog these
are entries of the clicks that it tells of, since a sessionizer that finds its last commits lost makes them anew, in
other portions.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from clickloom.click import DEFAULT_SITE
from clickloom.wire import Changelog, EntryId, Tally

REFUSED = "refused_by_postgres"  # the code of a click that was received, and then rejected
START: EntryId = (0, 0)

_MINUTE_MS = 60_000
_SITE_CHARS = 64


class Place(NamedTuple):
    """Where the ledger counts, for one partition."""

    minute_ms: int
    site_id: str


def place_of(entry: EntryId, site_id: str) -> Place:
    return Place(entry[0] - entry[0] % _MINUTE_MS, storable(site_id)[:_SITE_CHARS])


def storable(text: str) -> str:
    """Without NUL, which Postgres takes in no text."""
    return text.replace("\0", "\\0")


@dataclass(slots=True)
class Account:
    """Of one stream: how far the ledger has it, and what comes to that."""

    window: str | None = None  # of a changelog, and so are `first`, `told` and `open_events`
    counted: EntryId = START
    first: EntryId | None = None  # that the window has read; None before a click
    number: int = 0  # of the last commit
    told: EntryId = START  # the last entry taken in
    open_events: dict[str, int] = field(default_factory=dict)
    received: Counter[Place] = field(default_factory=Counter)
    rejected: Counter[Place] = field(default_factory=Counter)
    windows: dict[Place, Tally] = field(default_factory=dict)

    @property
    def site_id(self) -> str | None:
        """Of an entry that cannot be read; None: it is no input."""
        return None if self.window else DEFAULT_SITE

    def receive(self, entry: EntryId, sites: Iterable[tuple[str, int]]) -> None:
        """The clicks of one entry."""
        if entry > self.counted:
            for site_id, clicks in sites:
                self.received[place_of(entry, site_id)] += clicks

    def reject(self, rejected: Iterable[tuple[Any, ...]]) -> None:
        """Rows of `rejected_events`: input, unless they have no site; received just so, unless they were clicks."""
        for _, milliseconds, sequence, _, _, site_id, _, code, *_ in rejected:
            entry = (milliseconds, sequence)
            if site_id is not None and entry > self.counted:
                self.rejected[place_of(entry, site_id)] += 1
                self.received[place_of(entry, site_id)] += code != REFUSED

    def reach(self, entry: EntryId) -> None:
        """Everything up to this entry of the stream counts from now on; a changelog says itself how far it is."""
        if self.window is None:
            self.counted = max(self.counted, entry)

    def take_in(self, entry: EntryId, changelog: Changelog) -> None:
        """One commit. What it says of open sessions holds if it is the last word of all that was counted."""
        if self.first is None:
            self.first = self._first_read(changelog)
        self.number = changelog.number
        for tally in changelog.tallies:
            if tally.entry > self.counted:
                self._add(tally)
        if entry > self.told and changelog.read_to >= self.counted:
            self.told, self.open_events = entry, changelog.open_events
        self.counted = max(self.counted, changelog.read_to)

    def _first_read(self, changelog: Changelog) -> EntryId | None:
        """A new window begins with what the stream still holds; if its first commits are lost, as if with all."""
        if changelog.number != self.number + 1:
            return START
        return changelog.tallies[0].entry if changelog.tallies else None

    def _add(self, tally: Tally) -> None:
        place = place_of(tally.entry, tally.site_id)
        known = self.windows.setdefault(place, Tally(tally.entry, tally.site_id, 0))
        known.clicks += tally.clicks
        known.duplicates += tally.duplicates
        known.late += tally.late
        known.bots += tally.bots
