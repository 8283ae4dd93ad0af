"""What an import tells the ledger.

Imported clicks are a stream of their own, `import`, in a partition of their own, which no sessionizer serves. They
enter at the moment at which the run began, and each is in a session of every window, but for those of bots.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from clickloom.streams import START, split_id
from clickloom.wire import Tally
from services.persister.account import Account, place_of
from services.persister.ledger import Scope, read_account, write_account
from services.persister.partitions import Connection
from services.persister.rows import Rows

STREAM = "import"
IMPORTED = -1  # the partition
LAST_SEQ = 2**31 - 1  # the column's last
BUCKET_SEQS = 2**20  # entries that a bucket can have; of buckets there are fewer than 2^11


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a bucket's clicks stand in the stream, if it were one."""

    entered_ms: int
    bucket: int

    @property
    def first_seq(self) -> int:
        return self.bucket * BUCKET_SEQS


class Counts(NamedTuple):
    clicks: int
    bots: int  # of them, in no session


async def count_clicks(
    connection: Connection, entered_ms: int, counts: Mapping[str, Counts], windows: Iterable[str]
) -> None:
    """By site. Locks rows that every bucket counts in until the transaction ends."""
    position = (entered_ms, 0)
    account = Account(counted=(0, 0))
    account.receive(position, [(site_id, found.clicks) for site_id, found in counts.items()])
    await _write(connection, account, Scope(STREAM, STREAM, IMPORTED), entered_ms)
    for window in sorted(windows):
        scope = Scope(f"{STREAM} {window}", STREAM, IMPORTED, window)
        account = await read_account(connection, scope)
        account.first = account.first or position
        for site_id, found in counts.items():
            account.windows[place_of(position, site_id)] = Tally(position, site_id, found.clicks, bots=found.bots)
        await _write(connection, account, scope, entered_ms)


async def count_rejected(connection: Connection, rows: Rows, entered_ms: int) -> None:
    account = Account(counted=split_id(START))
    account.reject(rows.rejected)
    await _write(connection, account, Scope(STREAM, STREAM, IMPORTED), entered_ms)


async def _write(connection: Connection, account: Account, scope: Scope, entered_ms: int) -> None:
    """Everything up to the run's last possible entry is counted from now on: a bucket counts itself, once."""
    account.counted = (entered_ms, LAST_SEQ)
    await write_account(connection, account, scope)
