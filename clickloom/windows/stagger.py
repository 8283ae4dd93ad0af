"""The stagger window of Kinesis Data Analytics: a row a visitor and minute, emitted one range after it opened."""

from clickloom.session import floor_to_minute
from clickloom.times import MINUTE_US
from clickloom.windows.cut import Cut
from clickloom.windows.live import Live
from clickloom.windows.rules import Rules
from clickloom.windows.spec import StaggerWindow
from clickloom.windows.timers import Timers


class StaggerCut(Cut):
    """`WINDOWED BY STAGGER (PARTITION BY user, device, FLOOR(client_timestamp TO MINUTE) RANGE …)`.

    A row opens when its first click arrives and is emitted one range later on the arrival clock. A click that comes
    after that revises the row at once: there is never a second row of the same visitor and minute.
    """

    def __init__(self, window: StaggerWindow, *, rules: Rules, names: list[str]) -> None:
        super().__init__(window.name, rules=rules, names=names)
        self._range_us = window.range_us
        self._keep_us = 2 * MINUTE_US + rules.allowed_lateness_us
        self._closing: Timers[tuple[str, Live]] = Timers()  # on the arrival clock
        self._forgetting: Timers[tuple[str, Live]] = Timers()  # on the watermark

    def add(self, keys: list[str], codes: list[int], times: list[int], *, arrival_us: int) -> None:
        for key, code, time_us in zip(keys, codes, times, strict=True):
            sessions = self.visitors.setdefault(key, [])
            minute_us = time_us - time_us % MINUTE_US
            live = sessions[-1] if sessions else None
            if live is None or not minute_us <= live.begin_us < minute_us + MINUTE_US:
                live = self._row(sessions, minute_us)
            if live is None:
                self._open(key, sessions, Live.of(time_us, code, arrival_us))
                continue
            if live.emitted:
                self._revoke(key, live)
                self.arm(key, live)
            live.add(time_us, code)
            live.prune(self._names, self._rules)
            self.changed.add(key)

    def _row(self, sessions: list[Live], minute_us: int) -> Live | None:
        return next((live for live in sessions if floor_to_minute(live.begin_us) == minute_us), None)

    def _open(self, key: str, sessions: list[Live], live: Live) -> None:
        sessions.append(live)
        sessions.sort(key=lambda row: row.begin_us)
        self.open += 1
        self.changed.add(key)
        self.arm(key, live)

    def arm(self, key: str, live: Live) -> None:
        if live.emitted:
            self._forgetting.add(floor_to_minute(live.begin_us) + self._keep_us, (key, live))
        else:
            self._closing.add(live.opened_us + self._range_us, (key, live))

    def expire(self, *, watermark_us: int, clock_us: int) -> None:
        for key, live in self._closing.expired(clock_us):
            if not live.dead and not live.emitted:
                if clock_us >= live.opened_us + self._range_us:
                    self._emit(key, live, "range")
                self.arm(key, live)
        for key, live in self._forgetting.expired(watermark_us):
            if not live.dead and live.emitted:
                if watermark_us > floor_to_minute(live.begin_us) + self._keep_us:
                    self._forget(key, live)
                else:
                    self.arm(key, live)

    def find(self, key: str, time_us: int) -> Live:
        found = self._row(self.visitors[key], floor_to_minute(time_us))
        assert found is not None
        return found
