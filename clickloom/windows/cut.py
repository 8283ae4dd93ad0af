"""What both kinds of window share: live sessions by visitor, and the changes that the next commit writes."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec.structs import replace

from clickloom.keys import Person, site_of
from clickloom.session import ClosedBy, Session
from clickloom.windows.live import PATH, Live, Path
from clickloom.windows.names import Codes, EventNames
from clickloom.windows.record import session_records
from clickloom.windows.rules import Rules
from clickloom.wire import Times


class Cut(ABC):
    """One window over one partition.

    A live session has one timer, which `expire` takes out and sets again; one that has to be emitted sooner than its
    timer says gives its clicks to a new one instead.
    """

    def __init__(self, window: str, *, rules: Rules, names: EventNames) -> None:
        self._window = window
        self._rules = rules
        self._names = names
        self.visitors: dict[str, list[Live]] = {}  # by visitor's key, in event-time order
        self.changed: set[str] = set()  # visitors whose live sessions the next commit writes
        self.open: Counter[str] = Counter()  # by site, live sessions that no + row shows
        self.open_events: Counter[str] = Counter()  # by site, clicks that are in no session shown by `take_rows`
        self._emitted: dict[int, tuple[Live, str, ClosedBy]] = {}  # by identity: emitted since the last commit
        self._revoked: dict[bytes, Session] = {}  # by session_uid, as the last commit that showed it had it

    closes_by: ClosedBy  # by its nature; a session may end otherwise too

    @abstractmethod
    def add(self, keys: list[str], times: Times, records: Path, arrivals: Times) -> None:
        """Put accepted clicks into sessions, row by row; a record is a click as a path has it.

        The caller counts them in `open_events`.
        """

    @abstractmethod
    def expire(self, *, watermark_us: int, clock_us: int) -> None:
        """Emit and forget what is due; `clock_us` is the arrival clock."""

    @abstractmethod
    def arm(self, key: str, live: Live) -> None:
        """Set the timer of a session that has none."""

    @abstractmethod
    def find(self, key: str, time_us: int) -> Live:
        """The session that holds the visitor's click at that time."""

    def restore(self, key: str, sessions: list[Live]) -> None:
        """Take back a visitor's live sessions as a commit wrote them."""
        self.visitors[key] = sessions
        for live in sessions:
            self.open[site_of(key)] += not live.emitted
            self.open_events[site_of(key)] += 0 if live.emitted else live.events
            self.arm(key, live)

    def codes(self) -> Codes:
        """Of the event names in the paths of all live sessions."""
        paths = (live.path for sessions in self.visitors.values() for live in sessions)
        codes: Codes = np.frombuffer(b"".join(paths), PATH)["code"]
        return codes

    def erase(self, person: Person) -> None:
        """Close what is open of the person, as it stands, and forget them: a click that comes later begins anew.

        So whoever adds up clicks finds all of them in sessions that were shown, until these are deleted.
        """
        for key in [key for key in self.visitors if person.owns(key)]:
            self.changed.add(key)
            for live in self.visitors.pop(key):
                last = replace(live)
                live.events = 0  # dead, whatever timer it has
                shown = self._emitted.pop(id(live), None)
                if not last.emitted:
                    self._emit(key, last, self.closes_by)
                elif shown:
                    self._emitted[id(last)] = (last, key, shown[2])

    def take_changed(self) -> Iterator[tuple[str, list[Live] | None]]:
        """The visitors changed since the last call with their live sessions; None: nothing is left of them."""
        changed, self.changed = self.changed, set()
        find = self.visitors.get
        return ((key, find(key)) for key in changed)

    def take_rows(self) -> tuple[list[Session], list[Session]]:
        """The sessions that are no more what they were shown as, as they were, and the + rows since the last call."""
        minus = list(self._revoked.values())
        plus = self._records(list(self._emitted.values()))
        for row in plus:
            self.open_events[row.site_id] -= row.events
        self._revoked, self._emitted = {}, {}
        return minus, plus

    def _records(self, emitted: Sequence[tuple[Live, str, ClosedBy]]) -> list[Session]:
        return session_records(emitted, window=self._window, names=self._names, rules=self._rules)

    def _open(self, key: str, sessions: list[Live], position: int, live: Live) -> None:
        sessions.insert(position, live)
        self.visitors[key] = sessions
        self.open[site_of(key)] += 1
        self.changed.add(key)
        self.arm(key, live)

    def _emit(self, key: str, live: Live, closed_by: ClosedBy) -> None:
        live.version += 1
        live.emitted = True
        self.open[site_of(key)] -= 1
        self.changed.add(key)
        self._emitted[id(live)] = (live, key, closed_by)

    def _revoke(self, key: str, live: Live) -> None:
        """The session is about to change: take its + row back, or never send it if no commit has."""
        if not live.emitted:
            return
        live.emitted = False
        self.open[site_of(key)] += 1
        if self._emitted.pop(id(live), None) is None:
            [shown] = self._records([(live, key, self.closes_by)])
            self._revoked[shown.uid] = shown
            self.open_events[site_of(key)] += live.events
        else:
            live.version -= 1

    def _replace(self, key: str, live: Live, successor: Live) -> None:
        """`successor` takes the clicks, and so the place, of a session; the caller removes that from the visitor."""
        self._revoke(key, live)
        self.open[site_of(key)] -= 1
        successor.absorb(live)

    def _forget(self, key: str, live: Live) -> None:
        sessions = self.visitors[key]
        if len(sessions) == 1:
            del self.visitors[key]
        else:
            sessions[:] = [other for other in sessions if other is not live]
        self.changed.add(key)
