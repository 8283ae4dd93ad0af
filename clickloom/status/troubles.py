"""What is wrong, in a line each. Pure."""

from collections.abc import Collection, Iterator

from clickloom.layout import PERSISTER, TRIGGERS
from clickloom.status.archive import archive_trouble
from clickloom.status.status import ReaderRow, Status


def find_troubles(status: Status, *, configured: Collection[str]) -> Iterator[str]:
    """One line each, with the remedy. `configured`: the windows in the settings."""
    if status.ingest_closed:
        yield f"ingest is closed: {status.ingest_closed}; start what reads, or raise maxmemory"
    for window in sorted(status.windows):
        rows = [row for row in status.readers if row.reader == window]
        unserved = [row.stream for row in rows if row.owner is None]
        if window not in configured:
            yield (
                f"{window} is registered but not in WINDOWS: {_waiting(rows)}; put it back, or"
                f" `clickloom readers remove {window}`"
            )
        elif unserved:
            yield f"{window} is not served in {_some(unserved)}: {_waiting(rows)}; start a sessionizer"
    persister = [row for row in status.readers if row.reader == PERSISTER]
    if persister and status.persister_runs is None:
        yield "Postgres does not answer: when the persister committed is unknown; check DATABASE_URL"
    if persister and status.persister_runs is False:
        yield f"the persister does not run: {_waiting(persister)}; start it, or `clickloom readers remove {PERSISTER}`"
    if status.triggers_run is False:
        waiting = _waiting([row for row in status.readers if row.reader == TRIGGERS])
        yield f"the triggers do not run: {waiting}; start them, or `clickloom readers remove {TRIGGERS}`"
    if status.dead_webhooks:
        yield (
            f"{status.dead_webhooks:,} webhooks could not be delivered: `clickloom triggers dead` says why,"
            " `clickloom triggers retry` sends them again"
        )
    if status.archive and (trouble := archive_trouble(status.archive)):
        yield trouble
    for name in sorted({row.reader for row in status.readers} - {*status.windows, PERSISTER, TRIGGERS}):
        rows = [row for row in status.readers if row.reader == name]
        yield (
            f"{name} is nobody of Clickloom's: {_waiting(rows)}; if it is not needed, `clickloom readers remove {name}`"
        )
    lost = [row for row in status.readers if row.lag is None]
    if lost:
        yield f"{_some([row.stream for row in lost])} cannot tell how far {lost[0].reader} is: restart a sessionizer"


def _waiting(rows: list[ReaderRow]) -> str:
    waiting = sum(row.lag or 0 for row in rows)
    return f"{waiting:,} entries wait for it and are not trimmed" if waiting else "nothing waits for it yet"


def _some(streams: list[str]) -> str:
    return streams[0] if len(streams) == 1 else f"{streams[0]} and {len(streams) - 1} more"
