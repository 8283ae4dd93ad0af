"""A session window that keeps no paths, to show what paths cost; it names no event and revises nothing."""

from decimal import Decimal

from clickloom.keys import split_key
from clickloom.session import Session, Touch, floor_to_minute, session_uid
from clickloom.windows.groups import Groups, hashes_of
from clickloom.windows.live import Live, Path
from clickloom.windows.sessions import SessionCut
from clickloom.wire import Times

_NO_TOUCH = Touch()


class PathlessCut(SessionCut):
    """As its base, but for paths; a click next to a session that was emitted begins another."""

    def add(self, keys: list[str], times: Times, records: Path, arrivals: Times) -> None:
        _, ordered, _, bounds = Groups.of(keys, times, hashes_of(keys))
        for first, end, begin_us, last_us in bounds:
            key = ordered[first]
            sessions = self.visitors.get(key, [])
            live = sessions[-1] if sessions else None
            if live is not None and not live.emitted and begin_us <= live.last_us + self._gap_us:
                live.begin_us = min(live.begin_us, begin_us)
                live.last_us = max(live.last_us, last_us)
                live.events += end - first
            else:
                self._open(key, sessions, len(sessions), Live(begin_us, last_us, end - first, bytearray()))
        self.changed.update(keys)

    def take_rows(self) -> tuple[list[Session], list[Session]]:
        emitted, self._emitted = self._emitted, {}
        return [], [self._row(live, key) for live, key, _ in emitted.values()]

    def _row(self, live: Live, key: str) -> Session:
        begin_us, last_us, none = live.begin_us, live.last_us, Decimal(0)
        uid, minute_us = session_uid(self._window, key, begin_us), floor_to_minute(begin_us)
        who = (*split_key(key), "other")
        when = (minute_us, begin_us, last_us, live.events)
        return Session(uid, *who, *when, "", "", [], [], False, _NO_TOUCH, False, 0, none, False, "gap", live.version)
