"""The session window: clicks no further apart than the gap, up to a longest duration."""

from clickloom.session import ClosedBy
from clickloom.windows.cut import Cut
from clickloom.windows.live import Live
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow
from clickloom.windows.timers import Timers


class SessionCut(Cut):
    """Equals a batch over the accepted clicks, whatever the order of arrival.

    Emits when the watermark has passed last + gap; forgets when it has passed last + 2·gap + allowed lateness, for
    until then an accepted click can still extend a session, or join two.
    """

    def __init__(self, window: SessionWindow, *, rules: Rules, names: list[str]) -> None:
        super().__init__(window.name, rules=rules, names=names)
        self._gap_us = window.gap_us
        self._max_us = window.max_duration_us
        self._keep_us = 2 * window.gap_us + rules.allowed_lateness_us
        self._timers: Timers[tuple[str, Live]] = Timers()

    def add(self, keys: list[str], codes: list[int], times: list[int], *, arrival_us: int) -> None:
        """The loop that every click goes through: most only make their visitor's newest session longer."""
        gap_us, max_us = self._gap_us, self._max_us
        newest_of, changed, place = self.visitors.get, self.changed.add, self._place
        for key, code, time_us in zip(keys, codes, times, strict=True):
            sessions = newest_of(key)
            if sessions is None:
                self._open(key, [], 0, Live.of(time_us, code))
            else:
                live = sessions[-1]
                begin_us, last_us = live.begin_us, live.last_us
                fits = begin_us <= time_us <= last_us + gap_us and time_us <= begin_us + max_us
                if not fits or live.emitted:
                    place(key, sessions, code, time_us)
                    continue
                if time_us > last_us:
                    live.last_us = time_us
                live.events += 1
                live.path += (time_us, code)
                if live.events & 127 == 0:
                    live.prune(self._names, self._rules)
            changed(key)

    def _open(self, key: str, sessions: list[Live], position: int, live: Live) -> None:
        sessions.insert(position, live)
        self.visitors[key] = sessions
        self.open += 1
        self.changed.add(key)
        self.arm(key, live)

    def _place(self, key: str, sessions: list[Live], code: int, time_us: int) -> None:
        """A click anywhere among a visitor's sessions: join what is within the gap, cut what gets too long."""
        low, high = self._neighbours(sessions, time_us)
        joined = Live.of(time_us, code)
        near = sessions[low:high]
        if not near:
            self._open(key, sessions, low, joined)
            return
        too_long = max(time_us, near[-1].last_us) - min(time_us, near[0].begin_us) > self._max_us
        if too_long and not all(live.complete for live in near):
            self._squeeze(key, sessions, low, near, joined)
            return
        for live in near:
            self._revoke(key, live)
            self.open -= 1
            joined.absorb(live)
        del sessions[low:high]
        pieces = joined.cut(self._names, self._max_us) if too_long else [joined]
        for offset, piece in enumerate(pieces):
            self._open(key, sessions, low + offset, piece)

    def _neighbours(self, sessions: list[Live], time_us: int) -> tuple[int, int]:
        """The slice of sessions that a click at `time_us` puts into one chain, pieces cut by the cap included."""
        low = high = sum(live.begin_us <= time_us for live in sessions)
        left = right = time_us
        while low > 0 and sessions[low - 1].last_us + self._gap_us >= left:
            low -= 1
            left = min(left, sessions[low].begin_us)
            right = max(right, sessions[low].last_us)
        while high < len(sessions) and sessions[high].begin_us - self._gap_us <= right:
            right = max(right, sessions[high].last_us)
            high += 1
        return low, high

    def _squeeze(self, key: str, sessions: list[Live], low: int, near: list[Live], click: Live) -> None:
        """Next to sessions too long to be cut again click by click: into one that has room, else on its own."""
        time_us = click.begin_us
        for live in near:
            begin_us, last_us = min(live.begin_us, time_us), max(live.last_us, time_us)
            within = live.begin_us - self._gap_us <= time_us <= live.last_us + self._gap_us
            if within and last_us - begin_us <= self._max_us:
                self._revoke(key, live)
                live.absorb(click)
                live.prune(self._names, self._rules)
                self.arm(key, live)
                self.changed.add(key)
                return
        before = sum(live.begin_us <= time_us for live in near)
        if before and near[before - 1].emitted:  # it is closed by the cap now
            self._revoke(key, near[before - 1])
            self.arm(key, near[before - 1])
        self._open(key, sessions, low + before, click)

    def arm(self, key: str, live: Live) -> None:
        self._timers.add(live.last_us + (self._keep_us if live.emitted else self._gap_us), (key, live))

    def expire(self, *, watermark_us: int, clock_us: int) -> None:
        for key, live in self._timers.expired(watermark_us):
            if live.dead:
                continue
            if not live.emitted and watermark_us > live.last_us + self._gap_us:
                self._emit(key, live, self._closed_by(key, live))
            if live.emitted and watermark_us > live.last_us + self._keep_us:
                self._forget(key, live)
            else:
                self.arm(key, live)

    def _closed_by(self, key: str, live: Live) -> ClosedBy:
        """`cap` if the next session begins within the gap: then only the longest duration parts them."""
        sessions = self.visitors[key]
        following = sessions[sessions.index(live) + 1 :]
        return "cap" if following and following[0].begin_us - live.last_us <= self._gap_us else "gap"

    def find(self, key: str, time_us: int) -> Live:
        return next(live for live in self.visitors[key] if live.begin_us <= time_us <= live.last_us)
