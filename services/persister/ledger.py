"""The ledger's tables: written in the transaction that writes the rows and moves the cursor."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, LiteralString

import msgspec

from clickloom.streams import split_id
from clickloom.times import to_datetime
from services.persister.account import Account, Place
from services.persister.partitions import Connection


@dataclass(frozen=True, slots=True)
class Scope:
    """What a stream's account is about."""

    stream: str
    counts: str  # the stream whose entries are counted: itself, but of a changelog the clicks that its window reads
    partition: int
    window: str | None = None  # of a changelog


async def read_account(connection: Connection, scope: Scope) -> Account:
    """How far the ledger has counted the stream, whose row in stream_cursors must be locked."""
    found = await connection.execute(
        "SELECT counted_ms, counted_seq, first_ms, first_seq, number, told, open_events"
        " FROM ledger_streams WHERE stream = %s",
        [scope.stream],
    )
    row: Any = await found.fetchone()
    if row is None:
        return Account(scope.window)
    counted_ms, counted_seq, first_ms, first_seq, number, told, open_events = row
    first = None if first_ms is None else (first_ms, first_seq)
    return Account(scope.window, (counted_ms, counted_seq), first, number, split_id(told), open_events)


async def write_account(connection: Connection, account: Account, scope: Scope) -> None:
    """Add it to the ledger. Places in order, so that two streams of one partition cannot wait for each other."""
    if account.received:
        places = sorted(account.received)
        received = [(account.received[place], account.rejected[place]) for place in places]
        await _add(connection, _ADD_RECEIVED, scope.partition, places, received)
    if account.windows:
        places = sorted(account.windows)
        tallies = [account.windows[place] for place in places]
        told = [(scope.window, tally.clicks, tally.duplicates, tally.late, tally.bots) for tally in tallies]
        await _add(connection, _ADD_WINDOW, scope.partition, places, told)
    await _move(connection, account, scope)


_ADD_RECEIVED = (
    "INSERT INTO ledger (partition, minute, site_id, received, rejected)"
    " SELECT %s, * FROM unnest(%s::timestamptz[], %s::text[], %s::bigint[], %s::bigint[])"
    " ON CONFLICT (minute, site_id, partition) DO UPDATE"
    " SET received = ledger.received + excluded.received, rejected = ledger.rejected + excluded.rejected"
)
_ADD_WINDOW = (
    'INSERT INTO ledger_windows (partition, minute, site_id, "window", clicks, duplicates, late, bots)'
    " SELECT %s, * FROM unnest(%s::timestamptz[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],"
    " %s::bigint[])"
    ' ON CONFLICT (minute, "window", site_id, partition) DO UPDATE'
    " SET clicks = ledger_windows.clicks + excluded.clicks, late = ledger_windows.late + excluded.late,"
    " duplicates = ledger_windows.duplicates + excluded.duplicates, bots = ledger_windows.bots + excluded.bots"
)


async def _add(
    connection: Connection,
    statement: LiteralString,
    partition: int,
    places: Iterable[Place],
    counts: Iterable[tuple[Any, ...]],
) -> None:
    rows = [
        (to_datetime(place.minute_ms * 1_000), place.site_id, *found)
        for place, found in zip(places, counts, strict=True)
    ]
    await connection.execute(statement, [partition, *map(list, zip(*rows, strict=True))])


_MOVE = (
    'INSERT INTO ledger_streams (stream, partition, "window", counts, counted_ms, counted_seq,'
    " first_ms, first_seq, number, told, open_events) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (stream) DO UPDATE SET counted_ms = excluded.counted_ms, counted_seq = excluded.counted_seq,"
    " first_ms = excluded.first_ms, first_seq = excluded.first_seq,"
    " number = excluded.number, told = excluded.told, open_events = excluded.open_events"
)


async def _move(connection: Connection, account: Account, scope: Scope) -> None:
    first = account.first or (None, None)
    told = "-".join(map(str, account.told))
    open_events = msgspec.json.encode(account.open_events).decode()
    counted = (scope.counts, *account.counted, *first, account.number, told, open_events)
    await connection.execute(_MOVE, [scope.stream, scope.partition, scope.window, *counted])
