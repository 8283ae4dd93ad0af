"""One partition under one window: late or not, seen or not, into sessions, and what the next commit must write."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from clickloom.keys import Person
from clickloom.numbers import ActiveUsers, SiteNumbers
from clickloom.windows.active import Active
from clickloom.windows.columns import Columns
from clickloom.windows.cut import Cut
from clickloom.windows.groups import Rows
from clickloom.windows.live import Extras
from clickloom.windows.names import EventNames
from clickloom.windows.rules import Rules
from clickloom.windows.seen import Mask, SeenIds
from clickloom.windows.sessions import SessionCut
from clickloom.windows.spec import SessionWindow, Window
from clickloom.windows.stagger import StaggerCut
from clickloom.windows.stored import decode_live, decode_meta
from clickloom.windows.tallies import Tallies
from clickloom.windows.told import Told
from clickloom.windows.watermark import NEVER_US, Watermark
from clickloom.wire import (
    Changelog,
    CommitMetrics,
    EntryId,
    LateClick,
    RecordBatch,
    Revoked,
    Tally,
    encode,
)

END_US = 2**61  # a watermark and an arrival after everything
NO_ENTRY: EntryId = (0, 0)


@dataclass(frozen=True, slots=True)
class Changes:
    """What one commit writes; every value is ready for the store."""

    sessions: dict[str, bytes]  # visitor's key → its live sessions
    forgotten: list[str]  # visitors of whom nothing is left
    seen_added: dict[int, bytes]  # bucket → ids to append
    seen_dropped: list[int]
    names_added: dict[int, str]  # code → event name
    names_freed: list[int]  # codes, some of them just added
    meta: bytes  # watermark, clock, buckets: what else `restore` needs
    changelog: Changelog
    metrics: CommitMetrics
    active: ActiveUsers | None  # None: nothing new, or it is not told here


class Partition:
    """Pure: batches and clock readings in, changes out."""

    def __init__(self, window: Window, rules: Rules, *, tells_active: bool = False) -> None:
        """tells_active: which users were there; for that the clicks of one window are enough."""
        self._window = window
        self._rules = rules
        self._horizon_us = window.reach_us + rules.allowed_lateness_us  # a click is late beyond it
        self.watermark = Watermark()
        self._clock_us = NEVER_US  # the arrival clock
        self._names = EventNames(rules.conversion_events)
        self._seen = SeenIds(max(1, (self._horizon_us + rules.out_of_orderness_us) // 2))
        self._cut: Cut = (
            SessionCut(window, rules=rules, names=self._names)
            if isinstance(window, SessionWindow)
            else StaggerCut(window, rules=rules, names=self._names)
        )
        self._late: list[LateClick] = []
        self._tallies = Tallies()
        self._told = Told(self._names)
        self._active = Active() if tells_active else None
        self._erased: list[Person] = []

    def apply(
        self, *batches: RecordBatch, entries: Sequence[EntryId] | None = None, explicit_watermark: bool = False
    ) -> None:
        """Put the clicks of batches into sessions, in their order, and move the watermark on.

        entries: the batches' ids, if they are of a stream; late clicks and the ledger's tallies tell them.
        explicit_watermark: only what a batch says of it moves the watermark, not its event times.
        """
        entries = entries or [NO_ENTRY] * len(batches)
        first = 0
        for end, batch in enumerate(batches, start=1):
            if batch.watermark_us is not None or batch.erase or end == len(batches):
                self._apply(batches[first:end], entries[first:end], explicit_watermark)
                first = end
            if batch.watermark_us is not None:
                self.advance(batch.watermark_us)
            for person in batch.erase:
                self._cut.erase(person)
                self._erased.append(person)

    def _apply(self, batches: Sequence[RecordBatch], entries: Sequence[EntryId], explicit_watermark: bool) -> None:
        self.tick(batches[0].arrival_us)
        clicks = Columns.of(batches, entries, self._names)
        if len(clicks):
            before_us = self.watermark.us
            if not explicit_watermark:
                self.watermark.observe(
                    clicks.times,
                    clicks.arrivals,
                    out_of_orderness_us=self._rules.out_of_orderness_us,
                    future_bound_us=self._rules.future_bound_us,
                )
            self._add(clicks, before_us)
        self._clock_us = max(self._clock_us, *(batch.arrival_us for batch in batches))
        self._expire()

    def idle(self, now_us: int) -> None:
        """Nothing has arrived up to `now_us` on the arrival clock."""
        self.tick(now_us)
        self.watermark.idle(now_us, out_of_orderness_us=self._rules.out_of_orderness_us)
        self._expire()

    def advance(self, watermark_us: int) -> None:
        """The source itself says how far it is."""
        self.watermark.advance(watermark_us)
        self._expire()

    def finish(self) -> None:
        """Nothing comes any more: everything is emitted and forgotten."""
        self.tick(END_US)
        self.advance(END_US)

    def tick(self, now_us: int) -> None:
        """The arrival clock has come to `now_us`."""
        if now_us > self._clock_us:
            self._clock_us = now_us
            self._cut.expire(watermark_us=self.watermark.us, clock_us=now_us)

    def _expire(self) -> None:
        self._cut.expire(watermark_us=self.watermark.us, clock_us=self._clock_us)
        self._seen.forget(self.watermark.us - self._horizon_us)

    def _add(self, clicks: Columns, before_us: int) -> None:
        self._count(clicks)
        keys, times, arrivals, records = clicks.keys, clicks.times, clicks.arrivals, clicks.records()
        codes = clicks.codes
        kept = self._accepted(clicks, before_us)
        if kept is not None:
            keys = list(compress(keys, kept.tolist()))
            times, arrivals, records, codes = times[kept], arrivals[kept], records[kept], codes[kept]
        if keys:
            self._cut.add(keys, times, records, arrivals)
            self._told.conversions(keys, codes)
        if clicks.details:
            self._note_details(clicks, kept)

    def _note_details(self, clicks: Columns, kept: Mask | None) -> None:
        """Give the sessions what came with their clicks, now that each click is in one."""
        keys, times, codes, event_ids = clicks.keys, clicks.times.tolist(), clicks.codes.tolist(), clicks.event_ids
        find, is_conversion = self._cut.find, self._names.is_conversion
        rows = clicks.details if kept is None else [detail for detail in clicks.details if kept[detail[0]]]
        for row, details in rows:
            live = find(keys[row], times[row])
            if live.extras is None:
                live.extras = Extras()
            conversion = is_conversion(codes[row])
            live.extras.note(details, times[row], conversion=conversion, event_id=event_ids[row])
            if conversion and details.revenue is not None:
                self._told.revenue(keys[row], details.revenue)

    def _count(self, clicks: Columns) -> None:
        self._told.read(clicks)
        if self._active is not None:
            self._active.read(clicks)
        for entry, sites in zip(clicks.entries, clicks.sites, strict=True):
            for site_id, count in sites:
                self._tallies.of(entry, site_id).clicks += count
                self._cut.open_events[site_id] += count

    def _left_out(self, clicks: Columns, rows: Rows) -> Iterator[tuple[Tally, int]]:
        """Rows that go into no session: where the ledger counts them, and how many."""
        for entry, site_id, count in clicks.by_site(rows):
            self._cut.open_events[site_id] -= count
            yield self._tallies.of(entry, site_id), count

    def _accepted(self, clicks: Columns, before_us: int) -> Mask | None:
        """Which rows are neither a bot's nor late nor seen before; None: all of them."""
        kept = self._in_time(clicks, self._of_people(clicks), before_us)
        if kept is None:
            first = self._seen.first_seen(clicks.hashes, clicks.times)
            if first is not None:
                self._tell_duplicates(clicks, np.flatnonzero(~first))
            return first
        first = self._seen.first_seen(clicks.hashes[kept], clicks.times[kept])
        if first is not None:
            duplicates = np.flatnonzero(kept)[~first]
            self._tell_duplicates(clicks, duplicates)
            kept[duplicates] = False
        return kept

    def _of_people(self, clicks: Columns) -> Mask | None:
        """Which rows are not a bot's, if bots make no sessions; None: all of them."""
        if self._rules.bots or not clicks.bots:
            return None
        people = np.ones(len(clicks), np.bool_)
        people[clicks.bots] = False
        for tally, count in self._left_out(clicks, np.array(clicks.bots)):
            tally.bots += count
        return people

    def _tell_duplicates(self, clicks: Columns, rows: Rows) -> None:
        for tally, count in self._left_out(clicks, rows):
            tally.duplicates += count

    def _in_time(self, clicks: Columns, people: Mask | None, before_us: int) -> Mask | None:
        """Which of these rows came when their session could still change; late is t + reach + lateness < watermark.

        The watermark is the one after each row, so that how clicks are cut into batches does not matter.
        """
        times = clicks.times
        if int(times.min()) + self._horizon_us >= self.watermark.us:
            return people
        watermarks = np.full_like(times, before_us)
        if self.watermark.us > before_us:
            seen = np.minimum(times, clicks.arrivals + self._rules.future_bound_us)
            np.maximum(watermarks, np.maximum.accumulate(seen) - self._rules.out_of_orderness_us, out=watermarks)
        late: Mask = times + self._horizon_us < watermarks
        if people is not None:
            late &= people
        rows = np.flatnonzero(late)
        self._late += [self._late_click(clicks, row, int(watermarks[row])) for row in rows.tolist()]
        for tally, count in self._left_out(clicks, rows):
            tally.late += count
        if not len(rows):
            return people
        return ~late if people is None else people & ~late

    def _late_click(self, clicks: Columns, row: int, watermark_us: int) -> LateClick:
        time_us = int(clicks.times[row])
        return LateClick(
            event_id=clicks.event_ids[row],
            key=clicks.keys[row],
            name=self._names.texts[clicks.codes[row]],
            time_us=time_us,
            arrival_us=int(clicks.arrivals[row]),
            watermark_us=watermark_us,
            late_by_us=watermark_us - self._horizon_us - time_us,
            position=clicks.position(row),
            details=dict(clicks.details).get(row),
        )

    def take_erased(self) -> list[Person]:
        """Who was erased since the last call: no store may keep anything of them that is older than the next commit."""
        erased, self._erased = self._erased, []
        return erased

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
        self._told.rows(minus, plus)
        late, self._late = self._late, []
        changelog = Changelog(
            watermark_us=self.watermark.us,
            minus=[Revoked(row.uid, row.version, row.begin_us, row.site_id) for row in minus],
            plus=plus,
            late=late,
            tallies=self._tallies.take(),
            open_events={site_id: events for site_id, events in self._cut.open_events.items() if events},
        )
        metrics = self._metrics(changelog, now_us)
        if self._names.many:  # whatever else has codes is taken by now
            self._names.sweep(self._cut.codes())
        names_added, names_freed = self._names.take_changes()
        return Changes(
            sessions=sessions,
            forgotten=forgotten,
            seen_added=self._seen.take_added(),
            seen_dropped=self._seen.take_dropped(),
            names_added=names_added,
            names_freed=names_freed,
            meta=encode((self.watermark, self._clock_us, self._seen.bucket_us, self._seen.buckets)),
            changelog=changelog,
            metrics=metrics,
            active=None if self._active is None else self._active.take(now_us),
        )

    def _metrics(self, changelog: Changelog, now_us: int) -> CommitMetrics:
        sites = self._sites(changelog)
        return CommitMetrics(
            window=self._window.name,
            committed_us=now_us,
            watermark_us=self.watermark.us,
            clicks=sum(numbers.clicks for numbers in sites.values()),
            duplicates=sum(numbers.duplicates for numbers in sites.values()),
            late=len(changelog.late),
            bots=sum(numbers.bots for numbers in sites.values()),
            open_sessions=self._cut.open.total(),
            sites=sites,
        )

    def _sites(self, changelog: Changelog) -> dict[str, SiteNumbers]:
        """By site what happened, and how many sessions are open."""
        for tally in changelog.tallies:
            numbers = self._told.of(tally.site_id)
            numbers.duplicates += tally.duplicates
            numbers.late += tally.late
            numbers.bots += tally.bots
        for site_id, count in self._cut.open.items():
            if count:
                self._told.of(site_id).open_sessions = count
        return self._told.take()

    @property
    def unchanged(self) -> bool:
        """Nothing happened since the last commit but time."""
        return not (self._cut.changed or self._told.any or self._late)

    @property
    def changed_sessions(self) -> int:
        return len(self._cut.changed)

    def restore_meta(self, meta: bytes) -> list[int]:
        """Take back what a commit wrote as `meta`; returns the buckets of seen ids that are to be restored."""
        self.watermark, self._clock_us, bucket_us, buckets = decode_meta(meta)
        self._seen = SeenIds(bucket_us)  # as wide as they are stored, whatever the rules say today
        return buckets

    def restore_names(self, names: Mapping[int, str]) -> None:
        """By their codes."""
        self._names.restore(names)

    def restore_seen(self, bucket: int, stored: bytes) -> None:
        self._seen.restore(bucket, stored)

    def restore_sessions(self, key: str, stored: bytes) -> None:
        self._cut.restore(key, decode_live(stored))
