"""Clicks on their way from a file into Postgres, as Parquet files by bucket: the columns, and how they are written.

A bucket is a hash of the visitor: all that is known of one visitor lies in one bucket, and a bucket fits into memory.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import msgspec

from clickloom.click import Click

COLUMNS = {
    "file": "INTEGER",  # its number, in the order given
    "row": "BIGINT",
    "event_id": "VARCHAR",
    "site_id": "VARCHAR",
    "user_id": "VARCHAR",
    "device_id": "VARCHAR",
    "device_type": "VARCHAR",  # as told, not as concluded
    "client_event": "VARCHAR",
    "time_us": "BIGINT",
    "page_url": "VARCHAR",
    "referrer": "VARCHAR",
    "utm_source": "VARCHAR",
    "utm_medium": "VARCHAR",
    "utm_campaign": "VARCHAR",
    "experiments": "VARCHAR",  # JSON
    "order_id": "VARCHAR",
    "revenue": "DECIMAL(18, 6)",
    "currency": "VARCHAR",
    "properties": "VARCHAR",  # JSON
    "is_bot": "BOOLEAN",
}

Database = duckdb.DuckDBPyConnection


def open_duckdb(folder: Path, *, threads: int, memory: str) -> Database:
    """An engine of its own that puts into `folder` what does not fit into `memory`."""
    config: dict[str, str | int | float | list[str]] = {
        "threads": threads,
        "memory_limit": memory,
        "temp_directory": str(folder),
        "TimeZone": "UTC",
        "arrow_large_buffer_size": True,  # a column of a bucket may have more than 2 GB
        "autoinstall_known_extensions": False,
    }
    return duckdb.connect(config=config)


class Staging:
    """Writes rows of one kind (`clicks`, `present`, `standing`) into its buckets."""

    def __init__(self, database: Database, folder: Path, buckets: int) -> None:
        self.database = database
        self.folder = folder
        self.buckets = buckets

    def write(self, kind: str, query: str) -> int:
        """The rows of a query that has `site_id`, `user_id` and `device_id`; how many they are."""
        target = self.folder / kind
        target.mkdir(exist_ok=True)
        bucket = f"(hash(site_id, user_id, device_id) % {self.buckets})::INTEGER AS bucket"
        options = "FORMAT parquet, PARTITION_BY (bucket), APPEND"
        found = self.database.execute(f"COPY (SELECT *, {bucket} FROM ({query})) TO {text(target)} ({options})")
        return int(found.fetchall()[0][0])

    def write_clicks(self, rows: "list[tuple[int, int, Click]]") -> None:
        """(file's number, row, normalised click)."""
        lines = self.folder / "lines.jsonl"
        lines.write_bytes(b"\n".join(_line(*row) for row in rows))
        self.write("clicks", f"SELECT * FROM read_json({text(lines)}, format = 'nd', columns = {_TYPES})")
        lines.unlink()


def bucket_files(folder: Path, kind: str, bucket: int) -> list[Path]:
    return sorted((folder / kind / f"bucket={bucket}").glob("*.parquet"))


def bucket_numbers(folder: Path) -> list[int]:
    """Of those that have clicks."""
    return sorted(int(path.name.partition("=")[2]) for path in (folder / "clicks").glob("bucket=*"))


def read_parquet(files: Sequence[Path]) -> str:
    """With the columns of all of them."""
    return f"read_parquet([{', '.join(map(text, files))}], hive_partitioning = false, union_by_name = true)"


def no_rows(columns: Mapping[str, str]) -> str:
    """The query of an empty table, of columns and their types."""
    return f"SELECT {', '.join(f'NULL::{kind} AS {name(column)}' for column, kind in columns.items())} LIMIT 0"


def read_clicks(files: Sequence[Path]) -> str:
    """With all COLUMNS: a file has no more of them than its source had."""
    return f"(({no_rows(COLUMNS)}) UNION ALL BY NAME FROM {read_parquet(files)})"


def text(value: object) -> str:
    """As an SQL text."""
    return "'" + str(value).replace("'", "''") + "'"


def name(value: str) -> str:
    """As an SQL name."""
    return '"' + value.replace('"', '""') + '"'


_TYPES = "{" + ", ".join(f"{column}: '{kind}'" for column, kind in COLUMNS.items()) + "}"
_json = msgspec.json.encode


def _line(file: int, row: int, click: Click) -> bytes:
    values = {column: getattr(click, column, None) for column in COLUMNS}
    for column in ("experiments", "properties"):
        if values[column] is not None:
            values[column] = _json(values[column]).decode()
    return _json({**values, "file": file, "row": row, "time_us": click.time_us})
