"""What a partition tells of its clicks and sessions by site, for live numbers, gathered from commit to commit."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from clickloom.click import DEVICE_CLASSES, device_type_of
from clickloom.keys import SEPARATOR, site_of, split_key
from clickloom.numbers import SiteNumbers, add_counts
from clickloom.session import Session
from clickloom.windows.columns import Columns
from clickloom.windows.names import Codes, EventNames

MINUTE_MS = 60_000
_END = "\x1e"  # behind each key, so that what a key ends in can be looked for in all of them at once


class Told:
    """Numbers by site since the last `take`."""

    def __init__(self, names: EventNames) -> None:
        self._names = names
        self._sites: dict[str, SiteNumbers] = {}
        self._codes: dict[str, Counter[int]] = {}  # by site, clicks by event code

    def of(self, site_id: str) -> SiteNumbers:
        """Where to count."""
        found = self._sites.get(site_id)
        if found is None:
            found = self._sites[site_id] = SiteNumbers()
            self._codes[site_id] = Counter()
        return found

    @property
    def any(self) -> bool:
        """Whether anything was told since the last `take`."""
        return bool(self._sites)

    def read(self, clicks: Columns) -> None:
        """Every row that came in, whatever becomes of it."""
        for (entry_ms, _), sites in zip(clicks.entries, clicks.sites, strict=True):
            for site_id, count in sites:
                numbers = self.of(site_id)
                numbers.clicks += count
                add_counts(numbers.arrived, {entry_ms // MINUTE_MS: count})
        for site_id, rows in clicks.of_sites():
            keys = clicks.keys if rows is None else list(map(clicks.keys.__getitem__, rows.tolist()))
            codes = clicks.codes if rows is None else clicks.codes[rows]
            add_counts(self.of(site_id).devices, _classes(keys))
            distinct, counts = np.unique(codes, return_counts=True)
            self._codes[site_id].update(dict(zip(distinct.tolist(), counts.tolist(), strict=True)))
        self._correct_devices(clicks)

    def _correct_devices(self, clicks: Columns) -> None:
        """Those whose type came with the click."""
        for row, details in clicks.details:
            if (told := details.device_type) is not None:
                site_id, _, device_id = split_key(clicks.keys[row])
                if (known := device_type_of(device_id, None)) != told:
                    add_counts(self.of(site_id).devices, {known: -1, told: 1})

    def conversions(self, keys: Sequence[str], codes: Codes) -> None:
        """Clicks that are in sessions now."""
        for row in np.flatnonzero(self._names.conversions(codes)).tolist():
            self.of(site_of(keys[row])).conversions += 1

    def revenue(self, key: str, revenue: Decimal) -> None:
        """Of a conversion that is in a session now."""
        self.of(site_of(key)).revenue += revenue

    def rows(self, minus: Sequence[Session], plus: Sequence[Session]) -> None:
        """What the changelog says."""
        for row in minus:
            self.of(row.site_id).row(row, -1)
        for row in plus:
            self.of(row.site_id).row(row, 1)

    def take(self) -> dict[str, SiteNumbers]:
        """By site; what stands, as open sessions, is for the caller to fill in."""
        texts = self._names.texts
        for site_id, numbers in self._sites.items():
            numbers.events = {texts[code]: count for code, count in self._codes[site_id].items()}
            numbers.devices = {device: count for device, count in numbers.devices.items() if count}
        sites, self._sites, self._codes = self._sites, {}, {}
        return sites


def _classes(keys: Sequence[str]) -> dict[str, int]:
    """Device types by what the ids of the devices say; one look through the text of all keys for each."""
    text = _END.join([*keys, ""])
    counts = {device: text.count(f"{SEPARATOR}{device}{_END}") for device in DEVICE_CLASSES}
    return {**counts, "other": len(keys) - sum(counts.values())}
