"""The lake as an analyst reads it, with DuckDB and the statements of docs/operations.md."""

from pathlib import Path
from typing import Any

import duckdb

# The newest change of each session, unless that took it away.
SESSIONS = """
SELECT * EXCLUDE (change, revoked, nth) FROM (
    SELECT *, row_number() OVER (PARTITION BY year, month, day, hour, session_uid ORDER BY change DESC) AS nth
    FROM read_parquet('{folder}/sessions/**/*.parquet', hive_types = {hours})
) WHERE nth = 1 AND NOT revoked
"""
CLICKS = "SELECT * FROM read_parquet('{folder}/clicks/**/*.parquet', hive_types = {hours})"
HOURS = "{year: INT, month: INT, day: INT, hour: INT}"


def ask(query: str, folder: Path) -> list[tuple[Any, ...]]:
    """The rows of a query over `clicks` and `sessions` of an archive; none of a table that has no files."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, view in (("clicks", CLICKS), ("sessions", SESSIONS)):
            if any((folder / name).rglob("*.parquet")):
                connection.execute(f"CREATE VIEW {name} AS {view.format(folder=folder, hours=HOURS)}")
        return connection.execute(query).fetchall()
