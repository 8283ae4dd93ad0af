"""The stagger window of Kinesis Data Analytics: a row a visitor and minute, emitted one range after it opened."""

import numpy as np

from clickloom.keys import site_of
from clickloom.session import floor_to_minute
from clickloom.times import MINUTE_US
from clickloom.windows.cut import Cut
from clickloom.windows.groups import Groups, hashes_of
from clickloom.windows.live import EVERYTHING_US, PATH, PATH_LIMIT, Live, Path
from clickloom.windows.names import EventNames
from clickloom.windows.rules import Rules
from clickloom.windows.spec import StaggerWindow
from clickloom.windows.timers import Timers
from clickloom.wire import Times

_SPREAD = 0x9E3779B97F4A7C1 << 1 | 1  # odd: minutes far apart in the bits of a hash


class StaggerCut(Cut):
    """`WINDOWED BY STAGGER (PARTITION BY user, device, FLOOR(client_timestamp TO MINUTE) RANGE …)`.

    A row opens when its first click arrives and is emitted one range later on the arrival clock. A click that comes
    after that revises the row at once: there is never a second row of the same visitor and minute.
    """

    closes_by = "range"

    def __init__(self, window: StaggerWindow, *, rules: Rules, names: EventNames) -> None:
        super().__init__(window.name, rules=rules, names=names)
        self._range_us = window.range_us
        self._keep_us = 2 * MINUTE_US + rules.allowed_lateness_us
        self._closing: Timers[tuple[str, Live]] = Timers()  # on the arrival clock, of rows not emitted yet
        self._forgetting: Timers[tuple[str, Live]] = Timers()  # on the watermark, of rows that have been
        self._revised: list[tuple[str, Live]] = []  # emitted again by the next `expire`

    def add(self, keys: list[str], times: Times, records: Path, arrivals: Times) -> None:
        """A visitor's clicks of one minute at once; spelled out, for every click goes through here."""
        groups = Groups.of(keys, times, hashes_of(keys) ^ times // MINUTE_US * _SPREAD)
        ordered, packed = groups.keys, records[groups.order].tobytes()
        range_us, size, opened = self._range_us, PATH.itemsize, list[str]()
        visitors, close_later = self.visitors, self._closing.add
        for (first, end, begin_us, last_us), arrival_us in zip(groups.bounds, groups.least(arrivals), strict=True):
            key, clicks = ordered[first], end - first
            path = packed[first * size : end * size]
            minute_us = begin_us - begin_us % MINUTE_US
            if clicks > 1 and (last_us >= minute_us + MINUTE_US or ordered[first:end].count(key) < clicks):
                self._place_singly(ordered[first:end], path, arrival_us)
                continue
            rows = visitors.get(key)
            if rows is None or rows[-1].begin_us < minute_us:
                live = Live(begin_us, last_us, clicks, bytearray(path), 0, False, arrival_us)
                if rows is None:
                    visitors[key] = [live]
                else:
                    rows.append(live)
                close_later(arrival_us + range_us, (key, live))
                opened.append(key)
                continue
            live = rows[-1]
            if live.emitted or live.begin_us >= minute_us + MINUTE_US or live.events + clicks > PATH_LIMIT:
                self._place(key, Live(begin_us, last_us, clicks, bytearray(path), 0, False, arrival_us))
                continue
            if begin_us < live.begin_us:
                live.begin_us = begin_us
            if last_us > live.last_us:
                live.last_us = last_us
            live.events += clicks
            live.path += path
        self.open.update(map(site_of, opened))
        self.changed.update(keys)

    def _place_singly(self, keys: list[str], path: bytes, arrival_us: int) -> None:
        """Clicks of one hash that are not of one visitor and minute."""
        for key, (time_us, code) in zip(keys, np.frombuffer(path, PATH).tolist(), strict=True):
            click = Live.of(time_us, code)
            click.opened_us = arrival_us
            self._place(key, click)

    def _place(self, key: str, clicks: Live) -> None:
        """Clicks of one minute into whatever row of the visitor it is; a row that was emitted is revised."""
        rows = self.visitors.get(key, [])
        live = _row(rows, clicks.begin_us)
        if live is None:
            self._open(key, rows, sum(row.begin_us < clicks.begin_us for row in rows), clicks)
            return
        if live.emitted:
            self._revoke(key, live)
            live.because = "extended"
            self._revised.append((key, live))
        live.absorb(clicks)
        live.prune(self._names, keep_from_us=EVERYTHING_US)

    def arm(self, key: str, live: Live) -> None:
        if live.emitted:
            self._forgetting.add(floor_to_minute(live.begin_us) + self._keep_us, (key, live))
        else:
            self._closing.add(live.opened_us + self._range_us, (key, live))

    def expire(self, *, watermark_us: int, clock_us: int) -> None:
        for key, live in self._revised:
            self._emit(key, live, "range")
        self._revised.clear()
        opened_us, forget_later = clock_us - self._range_us, self._forgetting.add
        for timer in self._closing.expired(clock_us):
            key, live = timer
            if live.dead:
                continue
            if live.opened_us <= opened_us:
                self._emit(key, live, "range")
                forget_later(live.begin_us - live.begin_us % MINUTE_US + self._keep_us, timer)
            else:
                self._closing.add(live.opened_us + self._range_us, timer)
        kept_us = watermark_us - self._keep_us
        for timer in self._forgetting.expired(watermark_us):
            key, live = timer
            if live.dead:
                continue
            if live.begin_us - live.begin_us % MINUTE_US < kept_us:
                self._forget(key, live)
            else:
                forget_later(live.begin_us - live.begin_us % MINUTE_US + self._keep_us, timer)

    def find(self, key: str, time_us: int) -> Live:
        found = _row(self.visitors[key], time_us)
        assert found is not None
        return found


def _row(rows: list[Live], time_us: int) -> Live | None:
    """The visitor's row of the minute of that time; the newest is the likeliest."""
    minute_us = floor_to_minute(time_us)
    return next((live for live in reversed(rows) if 0 <= live.begin_us - minute_us < MINUTE_US), None)
