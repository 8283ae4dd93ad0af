"""The stagger window of Kinesis Data Analytics: a row a visitor and minute, emitted one range after it opened."""

from clickloom.session import floor_to_minute
from clickloom.times import MINUTE_US
from clickloom.windows.cut import Cut
from clickloom.windows.live import EVERYTHING_US, Live, Path
from clickloom.windows.names import EventNames
from clickloom.windows.rules import Rules
from clickloom.windows.spec import StaggerWindow
from clickloom.windows.timers import Timers
from clickloom.wire import Times


class StaggerCut(Cut):
    """`WINDOWED BY STAGGER (PARTITION BY user, device, FLOOR(client_timestamp TO MINUTE) RANGE …)`.

    A row opens when its first click arrives and is emitted one range later on the arrival clock. A click that comes
    after that revises the row at once: there is never a second row of the same visitor and minute.
    """

    def __init__(self, window: StaggerWindow, *, rules: Rules, names: EventNames) -> None:
        super().__init__(window.name, rules=rules, names=names)
        self._range_us = window.range_us
        self._keep_us = 2 * MINUTE_US + rules.allowed_lateness_us
        self._closing: Timers[tuple[str, Live]] = Timers()  # on the arrival clock, of rows not emitted yet
        self._forgetting: Timers[tuple[str, Live]] = Timers()  # on the watermark, of rows that have been
        self._revised: list[tuple[str, Live]] = []  # emitted again by the next `expire`

    def add(self, keys: list[str], times: Times, records: Path, arrivals: Times) -> None:
        packed: list[bytes] = records.tolist()  # type: ignore[assignment]  # numpy's type of a void is wider
        for key, time_us, record, arrival_us in zip(keys, times.tolist(), packed, arrivals.tolist(), strict=True):
            rows = self.visitors.get(key, [])
            live = _row(rows, time_us)
            if live is None:
                place = sum(row.begin_us < time_us for row in rows)
                self._open(key, rows, place, Live(time_us, time_us, 1, bytearray(record), 0, False, arrival_us))
                continue
            if live.emitted:
                self._revoke(key, live)
                self._revised.append((key, live))
            live.add(time_us, record)
            live.prune(self._names, keep_from_us=EVERYTHING_US)
        self.changed.update(keys)

    def arm(self, key: str, live: Live) -> None:
        if live.emitted:
            self._forgetting.add(floor_to_minute(live.begin_us) + self._keep_us, (key, live))
        else:
            self._closing.add(live.opened_us + self._range_us, (key, live))

    def expire(self, *, watermark_us: int, clock_us: int) -> None:
        for key, live in self._revised:
            self._emit(key, live, "range")
        self._revised.clear()
        for key, live in self._closing.expired(clock_us):
            if clock_us >= live.opened_us + self._range_us:
                self._emit(key, live, "range")
            self.arm(key, live)
        for key, live in self._forgetting.expired(watermark_us):
            if watermark_us > floor_to_minute(live.begin_us) + self._keep_us:
                self._forget(key, live)
            else:
                self.arm(key, live)

    def find(self, key: str, time_us: int) -> Live:
        found = _row(self.visitors[key], time_us)
        assert found is not None
        return found


def _row(rows: list[Live], time_us: int) -> Live | None:
    """The visitor's row of the minute of that time; the newest is the likeliest."""
    minute_us = floor_to_minute(time_us)
    return next((live for live in reversed(rows) if 0 <= live.begin_us - minute_us < MINUTE_US), None)
