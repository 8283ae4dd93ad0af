"""Active users: who was there in the last minutes, out of the sketches that sessionizers tell. Pure."""

from collections import defaultdict

import numpy as np

from clickloom.live import ACTIVE_MINUTES, METRICS_KEPT_US
from clickloom.numbers import ActiveUsers
from clickloom.sketch import Sketch, count
from clickloom.times import MINUTE_US

_KEPT = max(ACTIVE_MINUTES) + METRICS_KEPT_US // MINUTE_US  # minutes; of the oldest tick that can be asked for too


class Present:
    """Sketches of users by minute and site, and of all sites together (None)."""

    def __init__(self) -> None:
        self._minutes: defaultdict[int, defaultdict[str | None, Sketch]] = defaultdict(lambda: defaultdict(Sketch))
        self._told = 0  # how often `add` was called
        self._counted: dict[tuple[str | None, int], tuple[int, tuple[int, ...]]] = {}

    def add(self, active: ActiveUsers) -> None:
        """Raises ValueError for what is no sketch."""
        for minute, site_id, changed in active.sketches:
            for key in (site_id, None):
                self._minutes[minute][key].merge(changed)
        self._told += 1
        self._forget(max(self._minutes, default=0))

    def _forget(self, newest: int) -> None:
        for minute in [minute for minute in self._minutes if minute <= newest - _KEPT]:
            del self._minutes[minute]

    def users(self, site_id: str | None, minute: int) -> tuple[int, ...]:
        """How many there were in each of ACTIVE_MINUTES, that minute being the last; counted anew if any were told."""
        told, counts = self._counted.get((site_id, minute), (-1, ()))
        if told != self._told:
            counts = tuple(self._count(site_id, minute, minutes) for minutes in ACTIVE_MINUTES)
            self._counted = {at: found for at, found in self._counted.items() if at[1] >= minute - 1}
            self._counted[site_id, minute] = self._told, counts
        return counts

    def _count(self, site_id: str | None, minute: int, minutes: int) -> int:
        found = [
            sketches[site_id].registers
            for at in range(minute - minutes + 1, minute + 1)
            if (sketches := self._minutes.get(at)) is not None and site_id in sketches
        ]
        return count(np.maximum.reduce(found)) if found else 0
