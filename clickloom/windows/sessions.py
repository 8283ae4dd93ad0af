"""The session window: clicks no further apart than the gap, up to a longest duration."""

from collections import deque
from itertools import pairwise

import numpy as np

from clickloom.keys import site_of
from clickloom.session import ClosedBy
from clickloom.windows.cut import Cut
from clickloom.windows.groups import Groups, hashes_of
from clickloom.windows.live import EVERYTHING_US, PATH, PATH_LIMIT, Live, Path
from clickloom.windows.names import EventNames
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow
from clickloom.windows.timers import Timers
from clickloom.windows.watermark import NEVER_US
from clickloom.wire import Times


class SessionCut(Cut):
    """Equals a batch over the accepted clicks, whatever the order of arrival.

    Emits when the watermark has passed last + gap; forgets when it has passed last + 2·gap + allowed lateness, for
    until then an accepted click can still extend a session, or join two.

    A chain of clicks within the gap that is longer than the longest duration is cut from its begin: each session takes
    what is within the longest duration of its first click, and the next click begins another.
    """

    closes_by = "gap"

    def __init__(self, window: SessionWindow, *, rules: Rules, names: EventNames) -> None:
        super().__init__(window.name, rules=rules, names=names)
        self._gap_us = window.gap_us
        self._max_us = window.max_duration_us
        self._accept_us = window.gap_us + rules.allowed_lateness_us
        self._keep_us = self._accept_us + window.gap_us
        self._settled_us = NEVER_US  # no click before this is accepted any more
        self._timers: Timers[tuple[str, Live]] = Timers()  # of sessions not emitted yet
        self._forgetting: deque[tuple[str, Live]] = deque()  # those emitted, in that order

    def add(self, keys: list[str], times: Times, records: Path, arrivals: Times) -> None:
        """Each visitor's clicks at once: most only make the newest session longer, or begin one.

        Spelled out, for every click goes through here: by visitor, since visitors lie all over the memory, and without
        calls, which cost more than what they would do.
        """
        order, ordered, _, bounds = Groups.of(keys, times, hashes_of(keys))
        packed = records[order].tobytes()
        gap_us, max_us, size, opened = self._gap_us, self._max_us, PATH.itemsize, list[str]()
        visitors, add_timer = self.visitors, self._timers.add
        for first, end, begin_us, last_us in bounds:
            key = ordered[first]
            path = packed[first * size : end * size]
            if last_us - begin_us > gap_us or ordered[first:end].count(key) < end - first:
                self._add_singly(ordered[first:end], path)
                continue
            sessions = visitors.get(key)
            if sessions is None:
                live = Live(begin_us, last_us, end - first, bytearray(path))
                visitors[key] = [live]
                add_timer(last_us + gap_us, (key, live))
                opened.append(key)
                continue
            live = sessions[-1]
            if (
                live.emitted
                or not live.begin_us <= begin_us <= live.last_us + gap_us
                or last_us - live.begin_us > max_us
            ):
                self._place(key, Live(begin_us, last_us, end - first, bytearray(path)))
                continue
            if last_us > live.last_us:
                live.last_us = last_us
            live.events += end - first
            live.path += path
            if live.events > PATH_LIMIT:
                self._prune(sessions, len(sessions) - 1)
        self.open.update(map(site_of, opened))
        self.changed.update(keys)

    def _add_singly(self, keys: list[str], path: bytes | bytearray) -> None:
        """Clicks that may be of more than one session, or of two visitors that have one hash."""
        for key, (time_us, code) in zip(keys, np.frombuffer(path, PATH).tolist(), strict=True):
            self._place(key, Live.of(time_us, code))

    def _place(self, key: str, click: Live) -> None:
        """A click, or a chain of them, anywhere among a visitor's sessions: join what is within the gap."""
        sessions = self.visitors.get(key, [])
        low, high = self._chain(sessions, click.begin_us, click.last_us)
        chain = sessions[low:high]
        if chain and max(click.last_us, chain[-1].last_us) - min(click.begin_us, chain[0].begin_us) > self._max_us:
            if click.events == 1:
                self._cut_again(key, sessions, low, high, click)
            else:
                self._add_singly([key] * click.events, click.path)
            return
        for live in chain:
            self._replace(key, live, click)
        if chain:
            click.because = "extended" if len(chain) == 1 else "merged"
        del sessions[low:high]
        self._open(key, sessions, low, click)
        self._prune(sessions, low)

    def _chain(self, sessions: list[Live], left_us: int, right_us: int) -> tuple[int, int]:
        """The slice of sessions that clicks of that time put into one chain, those cut by the cap included."""
        low = high = sum(live.begin_us <= left_us for live in sessions)
        while low > 0 and sessions[low - 1].last_us + self._gap_us >= left_us:
            low -= 1
            left_us = min(left_us, sessions[low].begin_us)
            right_us = max(right_us, sessions[low].last_us)
        while high < len(sessions) and sessions[high].begin_us - self._gap_us <= right_us:
            right_us = max(right_us, sessions[high].last_us)
            high += 1
        return low, high

    def _cut_again(self, key: str, sessions: list[Live], low: int, high: int, click: Live) -> None:
        """Put a click into a chain, `sessions[low:high]`, that is too long for one session.

        What is before the click stays cut as it is. From the session that the click falls into or follows, each takes
        of the next what is within the longest duration of its begin. No settled click comes after the click, so the
        paths show all that is parted (see `_prune`).
        """
        start = position = low + sum(live.begin_us <= click.begin_us for live in sessions[low:high])
        if start > low:
            start = self._follow(key, sessions, start, click)
        pieces = [click]
        while position < high and sessions[position].begin_us - pieces[-1].begin_us <= self._max_us:
            self._replace(key, sessions[position], pieces[-1])
            position += 1
            if pieces[-1].last_us - pieces[-1].begin_us > self._max_us:
                pieces.append(pieces[-1].part(after_us=pieces[-1].begin_us + self._max_us))
        del sessions[start:position]
        for place, piece in enumerate(pieces, start):
            piece.because = "recut"
            self._open(key, sessions, place, piece)
            self._prune(sessions, place)

    def _follow(self, key: str, sessions: list[Live], place: int, click: Live) -> int:
        """Join the session before the click's place if it has room, else that is closed by the cap; the new place."""
        before = sessions[place - 1]
        if click.begin_us - before.begin_us <= self._max_us:
            self._replace(key, before, click)
            return place - 1
        if before.emitted and self._closed_by(sessions, before) == "gap":
            self._revoke(key, before)
            before.because = "recut"
            self._emit(key, before, "cap")
        return place

    def _prune(self, sessions: list[Live], position: int) -> None:
        """Cut the path back where no click that can still come may part the session.

        A session is parted at the longest duration of an earlier begin: of the one before it, or of one that is not
        settled. Where that may lie in it, what is not settled stays.
        """
        live = sessions[position]
        begin_us = min(self._settled_us, sessions[position - 1].begin_us if position else EVERYTHING_US)
        parted = begin_us + self._max_us < live.last_us
        live.prune(self._names, keep_from_us=self._settled_us if parted else EVERYTHING_US)

    def arm(self, key: str, live: Live) -> None:
        if live.emitted:
            self._forgetting.append((key, live))
        else:
            self._timers.add(live.last_us + self._gap_us, (key, live))

    def expire(self, *, watermark_us: int, clock_us: int) -> None:
        self._settled_us = watermark_us - self._accept_us
        gap_us, visitors = self._gap_us, self.visitors
        ended_us = watermark_us - gap_us
        add_timer, forget_later = self._timers.add, self._forgetting.append
        for timer in self._timers.expired(watermark_us):
            key, live = timer
            if live.last_us >= ended_us:
                add_timer(live.last_us + gap_us, timer)
            elif not live.dead:
                self._emit(key, live, self._closed_by(visitors[key], live))
                forget_later(timer)
        self._forget_before(watermark_us - self._keep_us)

    def _forget_before(self, moment_us: int) -> None:
        """Sessions are emitted nearly in the order of their ends: the first that has to stay lets the others wait."""
        while self._forgetting and self._forgetting[0][1].last_us < moment_us:
            key, live = self._forgetting.popleft()
            if not live.dead:
                self._forget(key, live)

    def _closed_by(self, sessions: list[Live], live: Live) -> ClosedBy:
        """`cap` if the next session begins within the gap: then only the longest duration parts them."""
        if sessions[-1] is live:
            return "gap"
        following = next(after for one, after in pairwise(sessions) if one is live)
        return "cap" if following.begin_us - live.last_us <= self._gap_us else "gap"

    def find(self, key: str, time_us: int) -> Live:
        sessions = self.visitors[key]
        if sessions[-1].begin_us <= time_us:
            return sessions[-1]
        return next(live for live in sessions if live.begin_us <= time_us <= live.last_us)
