"""The event names of a partition: sessions keep a small number for each instead of its text."""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from clickloom.wire import RecordBatch

Codes = npt.NDArray[np.uint32]

SWEPT_AT_LEAST = 1_000  # names; fewer are not worth a look for those that no session has


class EventNames:
    """A code is a name's place in `texts`. That of a name which no session has any more is another's later on.

    So a site whose names never come again, as with an order's number in them, takes no more than its open sessions do.
    """

    def __init__(self, conversion_events: Collection[str]) -> None:
        self.texts: list[str] = []  # empty where a code is nobody's
        self._conversion_events = conversion_events
        self._codes: dict[str, int] = {}
        self._conversions = bytearray()  # by code, 1 or 0
        self._free: list[int] = []
        self._added: dict[int, str] = {}
        self._freed: list[int] = []
        self._sweep_at = SWEPT_AT_LEAST

    def add(self, names: Iterable[str]) -> list[int]:
        """The codes of `names`, in their order."""
        known, new = self._codes.get, self._new
        return [new(name) if (code := known(name)) is None else code for name in names]

    def _new(self, name: str) -> int:
        if self._free:
            code = self._free.pop()
        else:
            code = len(self.texts)
            self._grow(code + 1)
        self._put(code, name)
        self._added[code] = name
        return code

    def _grow(self, length: int) -> None:
        more = length - len(self.texts)
        self.texts += [""] * more
        self._conversions += bytes(more)

    def _put(self, code: int, name: str) -> None:
        self._codes[name], self.texts[code] = code, name
        self._conversions[code] = name in self._conversion_events

    def restore(self, texts: Mapping[int, str]) -> None:
        """Take back the names that a store has, by their codes."""
        self._grow(max(texts, default=-1) + 1)
        for code, name in texts.items():
            self._put(code, name)
        self._free = [code for code, name in enumerate(self.texts) if not name]
        self._sweep_at = max(SWEPT_AT_LEAST, 2 * len(texts))

    def take_changes(self) -> tuple[dict[int, str], list[int]]:
        """The names given a code, and then the codes taken from theirs, since the last call."""
        added, self._added = self._added, {}
        freed, self._freed = self._freed, []
        return added, freed

    @property
    def many(self) -> bool:
        """Whether there are twice as many as the last sweep left: then what a sweep takes is little for each."""
        return len(self._codes) >= self._sweep_at

    def sweep(self, used: Codes) -> None:
        """Free every code that is not in use. Nobody may hold one that is neither in use nor stored with the sweep."""
        unused = np.ones(len(self.texts), np.bool_)
        unused[used] = False
        unused[self._free] = False
        freed: list[int] = np.flatnonzero(unused).tolist()
        for code in freed:
            del self._codes[self.texts[code]]
            self.texts[code] = ""
        self._freed += freed
        self._free += freed
        self._sweep_at = max(SWEPT_AT_LEAST, 2 * len(self._codes))

    def codes_of(self, batch: RecordBatch) -> Codes:
        """The batch's column of names in the partition's codes."""
        return np.array(self.add(batch.names), np.uint32)[batch.code_column]

    def is_conversion(self, code: int) -> bool:
        return bool(self._conversions[code])

    def conversions(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """Which of the codes are conversion events."""
        return np.frombuffer(self._conversions, np.bool_)[codes]

    def ranks(self, codes: Codes) -> npt.NDArray[np.int64]:
        """Of each of the codes, where its name is in the alphabetical order of theirs."""
        distinct, places = np.unique(codes, return_inverse=True)
        order = sorted(range(len(distinct)), key=[self.texts[code] for code in distinct.tolist()].__getitem__)
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        return ranks[places]
