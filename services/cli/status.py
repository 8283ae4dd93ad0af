"""`clickloom status`: every stream and its readers, who serves them, and what is wrong, as a table."""

from datetime import datetime

from rich.console import Console, Group
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from clickloom.status.archive import ArchiveStatus
from clickloom.status.status import Status
from clickloom.times import MINUTE_US, SECOND_US, from_datetime


def print_status(status: Status, console: Console) -> None:
    console.print(
        Group(_head(status), _table(status), *(Text(f"! {trouble}", "bold red") for trouble in status.troubles))
    )


def _head(status: Status) -> Text:
    limit = f" of {decimal(status.memory_limit_bytes)}" if status.memory_limit_bytes else ", no limit"
    windows = "; ".join(f"{name} = {text}" for name, text in sorted(status.windows.items()))
    lines = [
        f"{status.partitions} partitions · {windows}",
        f"Redis memory {decimal(status.memory_bytes)}{limit}",
        f"sessionizers: {', '.join(status.sessionizers) or 'none'}",
    ]
    if status.archive:
        lines.append(_archive_line(status.archive, status.as_of))
    return Text("\n".join(lines))


def _archive_line(archive: ArchiveStatus, as_of: str) -> str:
    tables = [
        f"{row.table} {row.rows_written:,} rows, last {_age(row.last_written, as_of)}"
        + (", earlier ones still to come" if row.first_to_write else "")
        for row in archive.tables
    ]
    return f"archive {archive.tables[0].place}: {' · '.join(tables)}"


def _table(status: Status) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("stream", "length", "reader", "lag", "owner", "watermark", "last commit"):
        table.add_column(name, justify="right" if name in ("length", "lag") else "left", no_wrap=True)
    before = None
    for row in sorted(status.readers, key=lambda row: (row.stream.split("{")[0], _number(row.stream), row.reader)):
        first = row.stream != before
        before = row.stream
        served = row.owner or ("not served" if row.reader in status.windows else "")
        table.add_row(
            row.stream if first else "",
            f"{row.length:,}" if first else "",
            row.reader,
            Text("?" if row.lag is None else f"{row.lag:,}", "" if row.lag == 0 else "yellow"),
            Text(served, "" if row.owner else "bold red"),
            row.watermark or "",
            _age(row.last_commit, status.as_of),
        )
    return table


def _number(stream: str) -> int:
    return int(stream.rpartition("{")[2].rstrip("}"))


def _age(moment: str | None, as_of: str) -> str:
    """`0.3 s ago`, `4 min ago`."""
    if moment is None:
        return ""
    age_us = from_datetime(datetime.fromisoformat(as_of)) - from_datetime(datetime.fromisoformat(moment))
    seconds = max(0.0, age_us / SECOND_US)
    return f"{seconds:.1f} s ago" if age_us < MINUTE_US else f"{seconds / 60:,.0f} min ago"
