"""Which users were there, by the minute in which the stream got their clicks."""

import numpy as np
import xxhash

from clickloom.keys import SEPARATOR, site_of
from clickloom.numbers import ActiveUsers
from clickloom.sketch import Sketch
from clickloom.times import SECOND_US
from clickloom.windows.columns import Columns
from clickloom.windows.told import MINUTE_MS
from clickloom.wire import VERSION

TOLD_US = SECOND_US  # so often at most


class Active:
    """Gathers visitors cheaply, and sketches their users when it is time to tell.

    A new owner knows nothing of the minute that runs and tells its users again, which changes no sketch.
    """

    def __init__(self) -> None:
        self._minute = 0  # the newest, of which it is known
        self._met: set[str] = set()  # who is in its sketches
        self._sketches: dict[str, Sketch] = {}  # by site
        self._visitors: dict[int, set[str]] = {}  # by minute, not told yet
        self._told_us = 0

    def read(self, clicks: Columns) -> None:
        """Every row but those of bots."""
        bots = {clicks.keys[row] for row in clicks.bots}
        minutes = [entry_ms // MINUTE_MS for entry_ms, _ in clicks.entries]
        firsts = [0, *(n for n in range(1, len(minutes)) if minutes[n] != minutes[n - 1])]
        rows = [clicks.firsts[n] for n in firsts]
        for number, first, end in zip(firsts, rows, [*rows[1:], len(clicks)], strict=True):
            visitors = self._visitors.setdefault(minutes[number], set())
            visitors.update(clicks.keys[first:end])
            visitors -= bots

    def take(self, now_us: int) -> ActiveUsers | None:
        """What is new since the last call, if there is any and it is time to tell it."""
        if not self._visitors or 0 <= now_us - self._told_us < TOLD_US:
            return None
        self._told_us = now_us
        visitors, self._visitors = self._visitors, {}
        sketches = [
            (minute, site_id, changed)
            for minute, met in visitors.items()
            for site_id, changed in self._sketch(minute, met).items()
            if changed
        ]
        return ActiveUsers(version=VERSION, sketches=sketches) if sketches else None

    def _sketch(self, minute: int, visitors: set[str]) -> dict[str, bytes]:
        """The registers that changed, by site."""
        if minute != self._minute:
            self._minute, self._met, self._sketches = minute, set(), {}
        by_site: dict[str, list[int]] = {}
        for key in visitors - self._met:
            by_site.setdefault(site_of(key), []).append(_user_hash(key))
        self._met |= visitors
        return {
            site_id: self._sketches.setdefault(site_id, Sketch()).add(np.array(hashes, np.uint64))
            for site_id, hashes in by_site.items()
        }


def _user_hash(key: str) -> int:
    """The same for each of the user's devices."""
    return xxhash.xxh3_64_intdigest(key.rpartition(SEPARATOR)[0].encode())
