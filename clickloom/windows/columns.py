"""The clicks of one or more record batches side by side, by column."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from clickloom.click import Details
from clickloom.windows.live import PATH, Path
from clickloom.windows.names import Codes, EventNames
from clickloom.wire import Hashes, RecordBatch, Times


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

    def __len__(self) -> int:
        return len(self.keys)

    def records(self) -> Path:
        """The clicks as the paths of sessions have them; `tolist` makes bytes of them."""
        records = np.empty(len(self), PATH)
        records["time_us"], records["code"] = self.times, self.codes
        return records.view(f"V{PATH.itemsize}")

    @classmethod
    def of(cls, batches: Sequence[RecordBatch], names: EventNames) -> "Columns":
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
        )
