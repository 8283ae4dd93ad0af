"""One partition under one window: late or not, seen or not, into sessions, and what the next commit must write."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np

from clickloom.click import Details
from clickloom.session import Session
from clickloom.windows.cut import Cut
from clickloom.windows.live import Extras, Live
from clickloom.windows.rules import Rules
from clickloom.windows.seen import Mask, SeenIds
from clickloom.windows.sessions import SessionCut
from clickloom.windows.spec import SessionWindow, Window
from clickloom.windows.stagger import StaggerCut
from clickloom.windows.watermark import NEVER_US, Watermark
from clickloom.wire import Changelog, CommitMetrics, LateClick, RecordBatch, Times, encode

_decode_sessions = msgspec.msgpack.Decoder(list[Live]).decode
_decode_meta = msgspec.msgpack.Decoder(tuple[Watermark, int, list[str], list[int]]).decode


@dataclass(frozen=True, slots=True)
class Changes:
    """What one commit writes; every value is ready for the store."""

    sessions: dict[str, bytes]  # visitor's key → its live sessions
    forgotten: list[str]  # visitors of whom nothing is left
    seen_added: dict[int, bytes]  # bucket → ids to append
    seen_dropped: list[int]
    meta: bytes  # watermark, clock, names, buckets: what else `restore` needs
    changelog: Changelog
    metrics: CommitMetrics


class Partition:
    """Pure: batches and clock readings in, changes out."""

    def __init__(self, window: Window, rules: Rules) -> None:
        self._window = window
        self._rules = rules
        self._horizon_us = window.reach_us + rules.allowed_lateness_us  # a click is late beyond it
        self.watermark = Watermark()
        self._clock_us = NEVER_US  # the arrival clock
        self._names: list[str] = []
        self._codes: dict[str, int] = {}
        self._seen = SeenIds(max(1, (self._horizon_us + rules.out_of_orderness_us) // 2))
        self._cut: Cut = (
            SessionCut(window, rules=rules, names=self._names)
            if isinstance(window, SessionWindow)
            else StaggerCut(window, rules=rules, names=self._names)
        )
        self._late: list[LateClick] = []
        self._clicks: Counter[int] = Counter()  # by event code
        self._duplicates = 0

    def apply(self, batch: RecordBatch, *, explicit_watermark: bool = False) -> None:
        """Put a batch's clicks into sessions and move the watermark on.

        explicit_watermark: only what a batch says of it moves the watermark, not its event times.
        """
        self._tick(batch.arrival_us)
        if len(batch):
            before_us = self.watermark.us
            times = batch.time_column
            if not explicit_watermark:
                self.watermark.observe(
                    times,
                    arrival_us=batch.arrival_us,
                    out_of_orderness_us=self._rules.out_of_orderness_us,
                    future_bound_us=self._rules.future_bound_us,
                )
            self._add(batch, times, before_us)
        if batch.watermark_us is not None:
            self.watermark.advance(batch.watermark_us)
        self._expire()

    def idle(self, now_us: int) -> None:
        """Nothing has arrived up to `now_us` on the arrival clock."""
        self._tick(now_us)
        self.watermark.idle(now_us, out_of_orderness_us=self._rules.out_of_orderness_us)
        self._expire()

    def _tick(self, now_us: int) -> None:
        if now_us > self._clock_us:
            self._clock_us = now_us
            self._cut.expire(watermark_us=self.watermark.us, clock_us=now_us)

    def _expire(self) -> None:
        self._cut.expire(watermark_us=self.watermark.us, clock_us=self._clock_us)
        self._seen.forget(self.watermark.us - self._horizon_us)

    def _add(self, batch: RecordBatch, times: Times, before_us: int) -> None:
        codes = self._translate(batch)
        keys, moments = batch.keys, times.tolist()
        kept = self._accepted(batch, times, before_us)
        if kept is not None:
            rows = np.flatnonzero(kept).tolist()
            keys, codes, moments = [keys[r] for r in rows], [codes[r] for r in rows], [moments[r] for r in rows]
        self._cut.add(keys, codes, moments, arrival_us=batch.arrival_us)
        for row, details in batch.details:
            if kept is None or kept[row]:
                self._note(batch, row, details, int(times[row]))

    def _translate(self, batch: RecordBatch) -> list[int]:
        """The batch's event codes as the partition's."""
        table = []
        for name in batch.names:
            code = self._codes.setdefault(name, len(self._names))
            if code == len(self._names):
                self._names.append(name)
            table.append(code)
        codes = list(map(table.__getitem__, batch.codes))
        self._clicks.update(codes)
        return codes

    def _note(self, batch: RecordBatch, row: int, details: Details, time_us: int) -> None:
        live = self._cut.find(batch.keys[row], time_us)
        live.extras = live.extras or Extras({}, {})
        conversion = batch.names[batch.codes[row]] in self._rules.conversion_events
        live.extras.note(details, time_us, conversion=conversion, event_id=batch.event_ids[row])

    def _accepted(self, batch: RecordBatch, times: Times, before_us: int) -> Mask | None:
        """Which rows are neither late nor seen before; None: all of them."""
        late = self._late_rows(batch, times, before_us)
        if late is None:
            first = self._seen.first_seen(batch.hash_column, times)
            self._duplicates += 0 if first is None else int(len(first) - first.sum())
            return first
        kept = ~late
        first = self._seen.first_seen(batch.hash_column[kept], times[kept])
        if first is not None:
            self._duplicates += int(len(first) - first.sum())
            kept[np.flatnonzero(kept)[~first]] = False
        return kept

    def _late_rows(self, batch: RecordBatch, times: Times, before_us: int) -> Mask | None:
        """Rows whose session could no longer change when they came: t + reach + lateness < watermark.

        The watermark is the one after each row, so that how clicks are cut into batches does not matter.
        """
        if int(times.min()) + self._horizon_us >= self.watermark.us:
            return None
        watermarks = np.full_like(times, before_us)
        if self.watermark.us > before_us:
            seen = np.minimum(times, batch.arrival_us + self._rules.future_bound_us)
            np.maximum(watermarks, np.maximum.accumulate(seen) - self._rules.out_of_orderness_us, out=watermarks)
        late: Mask = times + self._horizon_us < watermarks
        rows = np.flatnonzero(late).tolist()
        self._late += [self._late_click(batch, row, int(times[row]), int(watermarks[row])) for row in rows]
        return late if rows else None

    def _late_click(self, batch: RecordBatch, row: int, time_us: int, watermark_us: int) -> LateClick:
        return LateClick(
            event_id=batch.event_ids[row],
            key=batch.keys[row],
            name=batch.names[batch.codes[row]],
            time_us=time_us,
            arrival_us=batch.arrival_us,
            watermark_us=watermark_us,
            late_by_us=watermark_us - self._horizon_us - time_us,
            details=dict(batch.details).get(row),
        )

    def rewrite(self, visitors: Iterable[str]) -> None:
        """Have the next commit write these visitors' sessions once more, changed or not."""
        self._cut.changed.update(visitors)

    def take_changes(self, now_us: int) -> Changes:
        """Everything since the last call, to be committed as one. `now_us` only dates the metrics."""
        sessions: dict[str, bytes] = {}
        forgotten: list[str] = []
        for key, live in self._cut.take_changed():
            if live is None:
                forgotten.append(key)
            else:
                sessions[key] = encode(live)
        minus, plus = self._cut.take_rows()
        late, self._late = self._late, []
        changelog = Changelog(watermark_us=self.watermark.us, minus=minus, plus=plus, late=late)
        return Changes(
            sessions=sessions,
            forgotten=forgotten,
            seen_added=self._seen.take_added(),
            seen_dropped=self._seen.take_dropped(),
            meta=encode((self.watermark, self._clock_us, self._names, self._seen.buckets)),
            changelog=changelog,
            metrics=self._metrics(changelog, now_us),
        )

    def _metrics(self, changelog: Changelog, now_us: int) -> CommitMetrics:
        clicks, self._clicks = self._clicks, Counter()
        duplicates, self._duplicates = self._duplicates, 0
        metrics = CommitMetrics(
            window=self._window.name,
            committed_us=now_us,
            watermark_us=self.watermark.us,
            clicks=clicks.total(),
            duplicates=duplicates,
            late=len(changelog.late),
            open_sessions=self._cut.open,
            events={self._names[code]: count for code, count in clicks.items()},
        )
        for row in changelog.plus:
            _count(metrics, row)
        return metrics

    @property
    def unchanged(self) -> bool:
        """Nothing happened since the last commit but time."""
        return not (self._cut.changed or self._clicks or self._late)

    @property
    def changed_sessions(self) -> int:
        return len(self._cut.changed)

    def restore_meta(self, meta: bytes) -> list[int]:
        """Take back what a commit wrote as `meta`; returns the buckets of seen ids that are to be restored."""
        self.watermark, self._clock_us, names, buckets = _decode_meta(meta)
        self._names += names
        self._codes.update((name, code) for code, name in enumerate(names))
        return buckets

    def restore_seen(self, bucket: int, stored: bytes) -> None:
        self._seen.restore(bucket, stored)

    def restore_sessions(self, key: str, stored: bytes) -> None:
        self._cut.restore(key, _decode_sessions(stored))


def _count(metrics: CommitMetrics, row: Session) -> None:
    if row.version > 1:
        metrics.revised_sessions += 1
        return
    metrics.closed_sessions += 1
    metrics.session_duration.add(row.duration_sec)
    metrics.session_events.add(row.events)
