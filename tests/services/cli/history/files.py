"""Files of clicks for tests, and imports of them in the test's own process."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from clickloom.click import Click
from clickloom.database import open_database
from clickloom.settings import Settings
from clickloom.times import iso
from services.api.balance import Difference, differences
from services.api.recount import Span as Minutes
from services.api.recount import recount
from services.cli.history.formats import FileFormat, named
from services.cli.history.mapping import parse_mapping
from services.cli.history.run import Report, Request, run
from tests.windows.answers import Span


def event_of(click: Click) -> dict[str, Any]:
    """As a client would send it."""
    told = {"user_id": click.user_id, "device_id": click.device_id, "client_event": click.client_event}
    return {**told, "client_timestamp": iso(click.time_us), **({"event_id": click.event_id} if click.event_id else {})}


def write_lines(path: Path, events: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def import_files(
    settings: Settings, *files: Path, form: FileFormat = FileFormat.jsonl, rules: Sequence[str] = ()
) -> Report:
    found = [(name, Path(file)) for name, file in named([str(file) for file in files])]
    request = Request(found, form, parse_mapping(rules), processes=1, folder=files[0].parent)
    return run(request, settings, lambda step, done, total: None)


def sessions_in(database: "psycopg.Connection[Any]", window: str) -> list[Span]:
    """Of the table `sessions`."""
    query = (
        "SELECT user_id, extract(epoch FROM begin_session)::float, extract(epoch FROM end_session)::float, events,"
        ' closed_by, path FROM sessions WHERE "window" = %s'
    )
    rows = database.execute(query, [window]).fetchall()
    rows = database.execute(query, [window]).fetchall()
    return sorted(Span(row[0], row[1], row[2], row[3], row[4], tuple(row[5])) for row in rows)


def tables(database: "psycopg.Connection[Any]") -> dict[str, list[Any]]:
    """Everything that an import writes, as it stands."""
    names = ("clicks", "sessions", "rejected_events", "late_clicks", "ledger", "ledger_windows", "session_rollups")
    return {name: database.execute(f"SELECT * FROM {name} ORDER BY {name}::text".encode()).fetchall() for name in names}


def imbalance(settings: Settings, *windows: str) -> list[Difference]:
    """What does not balance in the ledger of the last hours."""

    async def read() -> list[Difference]:
        engine = open_database(settings.database_url, application_name="clickloom-tests")
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        try:
            span = Minutes(now - timedelta(hours=2), now + timedelta(minutes=2), list(windows))
            return list(differences(await recount(engine, span)))
        finally:
            await engine.dispose()

    return asyncio.run(read())
