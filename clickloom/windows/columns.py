"""The clicks of one or more record batches side by side, by column."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from clickloom.click import Details
from clickloom.keys import site_of
from clickloom.windows.groups import Rows
from clickloom.windows.live import PATH, Path
from clickloom.windows.names import Codes, EventNames
from clickloom.wire import EntryId, Hashes, RecordBatch, Times


@dataclass(frozen=True, slots=True)
class Columns:
    """Row i of every column is click i, in the order of the batches. So small batches cost little more than large."""

    keys: list[str]
    codes: Codes
    times: Times
    hashes: Hashes
    arrivals: Times
    event_ids: list[str]
    details: list[tuple[int, Details]]
    firsts: list[int]  # of each batch, its first row
    entries: Sequence[EntryId]  # of each batch, the id
    sites: list[list[tuple[str, int]]]  # of each batch, how many clicks there are of each site
    bots: list[int]

    def __len__(self) -> int:
        return len(self.keys)

    def records(self) -> Path:
        """The clicks as the paths of sessions have them; `tolist` makes bytes of them."""
        records = np.empty(len(self), PATH)
        records["time_us"], records["code"] = self.times, self.codes
        return records.view(f"V{PATH.itemsize}")

    def position(self, row: int) -> tuple[int, int, int]:
        """Where the click is in the stream: the entry's id, and the row in it."""
        batch = bisect_right(self.firsts, row) - 1
        return (*self.entries[batch], row - self.firsts[batch])

    def by_site(self, rows: Rows) -> Iterator[tuple[EntryId, str, int]]:
        """How many of these rows, which must be in order, are of each entry and site; no other row is looked at."""
        ends = np.searchsorted(rows, [*self.firsts[1:], len(self)]).tolist()
        for entry, sites, first, end in zip(self.entries, self.sites, [0, *ends], ends, strict=False):
            if end > first:
                found = [site_of(self.keys[row]) for row in rows[first:end].tolist()] if len(sites) > 1 else None
                counts = Counter(found) if found else {sites[0][0]: end - first}
                yield from ((entry, site_id, count) for site_id, count in counts.items())

    def of_sites(self) -> Iterator[tuple[str, Rows | None]]:
        """Each site with its rows, in order; None: all of them."""
        sites = {site_id for sites in self.sites for site_id, _ in sites}
        if len(sites) <= 1:
            yield from ((site_id, None) for site_id in sites)
            return
        numbers: dict[str, int] = {}
        column = np.array([numbers.setdefault(site_of(key), len(numbers)) for key in self.keys])
        order = np.argsort(column, kind="stable")
        ends = np.cumsum(np.bincount(column))
        yield from zip(numbers, np.split(order, ends[:-1]), strict=True)

    @classmethod
    def of(cls, batches: Sequence[RecordBatch], entries: Sequence[EntryId], names: EventNames) -> "Columns":
        lengths = [len(batch) for batch in batches]
        firsts = np.cumsum([0, *lengths[:-1]]).tolist()
        return cls(
            list(chain.from_iterable(batch.keys for batch in batches)),
            np.concatenate([names.codes_of(batch) for batch in batches]),
            np.frombuffer(b"".join(batch.times for batch in batches), "<i8"),
            np.frombuffer(b"".join(batch.hashes for batch in batches), "<u8"),
            np.repeat(np.array([batch.arrival_us for batch in batches], np.int64), lengths),
            list(chain.from_iterable(batch.event_ids for batch in batches)),
            [
                (first + row, found)
                for first, batch in zip(firsts, batches, strict=True)
                for row, found in batch.details
            ],
            firsts,
            entries,
            [batch.sites for batch in batches],
            [first + row for first, batch in zip(firsts, batches, strict=True) for row in batch.bots],
        )
