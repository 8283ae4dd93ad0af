"""What both kinds of window share: live sessions by visitor, and the changes that the next commit writes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from uuid import UUID

from clickloom.session import ClosedBy, Session, session_uid
from clickloom.windows.live import Live, session_record
from clickloom.windows.rules import Rules
from clickloom.wire import Revoked


class Cut(ABC):
    """One window over one partition. `names` is the partition's table of event names, shared and growing."""

    def __init__(self, window: str, *, rules: Rules, names: list[str]) -> None:
        self._window = window
        self._rules = rules
        self._names = names
        self.visitors: dict[str, list[Live]] = {}  # by visitor's key, in event-time order
        self.changed: set[str] = set()  # visitors whose live sessions the next commit writes
        self.open = 0  # live sessions that no + row shows
        self._plus: dict[UUID, Session] = {}
        self._minus: dict[UUID, int] = {}

    @abstractmethod
    def add(self, keys: list[str], codes: list[int], times: list[int], *, arrival_us: int) -> None:
        """Put accepted clicks into sessions, row by row."""

    @abstractmethod
    def expire(self, *, watermark_us: int, clock_us: int) -> None:
        """Emit and forget what is due; `clock_us` is the arrival clock."""

    @abstractmethod
    def arm(self, key: str, live: Live) -> None:
        """Set the timer of a session that was restored."""

    @abstractmethod
    def find(self, key: str, time_us: int) -> Live:
        """The session that holds the visitor's click at that time."""

    def restore(self, key: str, sessions: list[Live]) -> None:
        """Take back a visitor's live sessions as a commit wrote them."""
        self.visitors[key] = sessions
        for live in sessions:
            self.open += not live.emitted
            self.arm(key, live)

    def take_changed(self) -> Iterator[tuple[str, list[Live] | None]]:
        """The visitors changed since the last call with their live sessions; None: nothing is left of them."""
        changed, self.changed = self.changed, set()
        for key in changed:
            yield key, self.visitors.get(key)

    def take_rows(self) -> tuple[list[Revoked], list[Session]]:
        """The − and the + rows since the last call."""
        minus = [Revoked(uid, version) for uid, version in self._minus.items()]
        plus = list(self._plus.values())
        self._minus, self._plus = {}, {}
        return minus, plus

    def _emit(self, key: str, live: Live, closed_by: ClosedBy) -> None:
        live.version += 1
        live.emitted = True
        self.open -= 1
        self.changed.add(key)
        row = session_record(
            live, window=self._window, key=key, closed_by=closed_by, names=self._names, rules=self._rules
        )
        self._plus[row.session_uid] = row

    def _revoke(self, key: str, live: Live) -> None:
        """The session changes: take its + row back, or never send it if it has not been."""
        if not live.emitted:
            return
        live.emitted = False
        self.open += 1
        uid = session_uid(self._window, key, live.begin_us)
        if self._plus.pop(uid, None) is None:
            self._minus[uid] = live.version
        else:
            live.version -= 1

    def _forget(self, key: str, live: Live) -> None:
        sessions = self.visitors[key]
        sessions.remove(live) if len(sessions) > 1 else self.visitors.pop(key)
        live.events = 0
        self.changed.add(key)
