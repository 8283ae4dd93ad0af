"""The event names of a partition: sessions keep a small number for each instead of its text."""

from collections.abc import Collection, Iterable

import numpy as np
import numpy.typing as npt

from clickloom.wire import RecordBatch

Codes = npt.NDArray[np.uint32]


class EventNames:
    """A table that only grows; a code is a name's place in it."""

    def __init__(self, conversion_events: Collection[str]) -> None:
        self._conversion_events = conversion_events
        self._codes: dict[str, int] = {}
        self._conversions: list[bool] = []
        self.texts: list[str] = []

    def add(self, names: Iterable[str]) -> list[int]:
        """The codes of `names`, in their order."""
        return [self._code(name) for name in names]

    def _code(self, name: str) -> int:
        code = self._codes.setdefault(name, len(self.texts))
        if code == len(self.texts):
            self.texts.append(name)
            self._conversions.append(name in self._conversion_events)
        return code

    def codes_of(self, batch: RecordBatch) -> Codes:
        """The batch's column of names in the partition's codes."""
        return np.array(self.add(batch.names), np.uint32)[batch.code_column]

    def is_conversion(self, code: int) -> bool:
        return self._conversions[code]

    def conversions(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """Which of the codes are conversion events."""
        return np.array(self._conversions, bool)[codes]

    def ranks(self) -> npt.NDArray[np.int64]:
        """By code, the name's place in alphabetical order."""
        order = sorted(range(len(self.texts)), key=self.texts.__getitem__)
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        return ranks
