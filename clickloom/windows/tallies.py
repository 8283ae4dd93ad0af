"""The ledger's side of a partition: what became of each entry's clicks, by site."""

from clickloom.wire import EntryId, Tally


class Tallies:
    """Entries count whole, by what they say of themselves; only late clicks and duplicates are told of one by one."""

    def __init__(self) -> None:
        self._found: dict[tuple[EntryId, str], Tally] = {}

    def of(self, entry: EntryId, site_id: str) -> Tally:
        """Where to count."""
        found = self._found.get((entry, site_id))
        if found is None:
            found = self._found[entry, site_id] = Tally(entry, site_id, 0)
        return found

    def take(self) -> list[Tally]:
        """Those since the last call, in the order of the entries."""
        found, self._found = self._found, {}
        return list(found.values())
