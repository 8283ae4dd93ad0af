"""What Postgres has already, around the time of the files: read once, at one moment, into the buckets."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from clickloom.errors import ServerUnavailable
from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.times import from_datetime, to_datetime
from clickloom.windows.spec import SessionWindow, Window
from services.cli.history.selection import PRESENT, STANDING, Bounds
from services.cli.history.staged import Staging, text

_BEHIND_S = 30.0  # a persister that is behind gets this long
_LOOK_S = 0.25

Database = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Present:
    bounds: Bounds
    rollbacks: int  # how often a changelog was found to have lost entries, at the most
    repeat_us: int  # when the watermark, or without live traffic the clock, is there, all of the files is settled


def read_present(
    connection: Database, staging: Staging, settings: Settings, span: tuple[int, int], now: int
) -> Present:
    """Read clicks and sessions that may be near those of the files; `span` is their least and greatest time.

    Raises ServerUnavailable if the persister is behind the sessionizers, so that Postgres lacks clicks of theirs.
    """
    windows = settings.parsed_windows()
    reaches = {window.name: window.reach_us for window in windows}
    margin = max(map(_longest, windows)) + 2 * max(reaches.values())
    deadline = time.monotonic() + _BEHIND_S
    while True:
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SET LOCAL TimeZone = 'UTC'")
            if not _behind(connection, _changelogs(settings)):
                live_us, rollbacks = _live(connection, _changelogs(settings))
                settled_us = min(now, now if live_us is None else live_us) - _unsettled(settings)
                bounds = Bounds(reaches, settled_us, span[0] - margin, span[1] + margin, settings.sessions_of_bots)
                _export(connection, staging, "present", _CLICKS.format(*_moments(bounds)), PRESENT)
                _export(connection, staging, "standing", _SESSIONS.format(*_moments(bounds, margin)), STANDING)
                return Present(bounds, rollbacks, span[1] + _unsettled(settings) + 1)
        if time.monotonic() > deadline:
            raise ServerUnavailable("the persister is behind: let it run until `clickloom status` shows no lag")
        time.sleep(_LOOK_S)


def _unsettled(settings: Settings) -> int:
    """How far behind the watermark a session ends that no sessionizer knows any more, nor can find a click of."""
    return 2 * max(window.reach_us for window in settings.parsed_windows()) + settings.allowed_lateness_us


def _longest(window: Window) -> int:
    return window.max_duration_us if isinstance(window, SessionWindow) else window.reach_us


def _changelogs(settings: Settings) -> list[str]:
    keys = Keys(settings.namespace)
    return [
        keys.sessions(window.name, number)
        for window in settings.parsed_windows()
        for number in range(settings.partitions)
    ]


_BEHIND = """
SELECT count(*) FROM ledger_streams its LEFT JOIN ledger_streams clicks ON clicks.stream = its.counts
WHERE its.stream = ANY(%s)
    AND coalesce((clicks.counted_ms, clicks.counted_seq) < (its.counted_ms, its.counted_seq), its.counted_ms > 0)
"""


def _behind(connection: Database, changelogs: Sequence[str]) -> bool:
    """Whether Postgres lacks clicks of which it has what became of them."""
    row = connection.execute(_BEHIND, [changelogs]).fetchone()
    return row is not None and row[0] != 0


def _live(connection: Database, changelogs: Sequence[str]) -> tuple[int | None, int]:
    """The least watermark, and the most rollbacks.

    Of a partition that has had no click there is no watermark, and nothing to be disturbed.
    """
    query = "SELECT min(watermark), coalesce(max(rollbacks), 0) FROM stream_cursors WHERE stream = ANY(%s)"
    row: Any = connection.execute(query, [changelogs]).fetchone()
    watermark, rollbacks = row
    return None if watermark is None else from_datetime(watermark), int(rollbacks)


def _moments(bounds: Bounds, longer: int = 0) -> tuple[str, str]:
    """As SQL; not before 1970, where no click is."""
    begin, end = (text(to_datetime(max(0, us)).isoformat()) for us in (bounds.from_us - longer, bounds.to_us))
    return begin, end


_MICROSECONDS = "(extract(epoch FROM {0}) * 1000000)::bigint"
_CLICKS = f"""
SELECT event_id, site_id, user_id, device_id, device_type, client_event, {_MICROSECONDS.format("client_timestamp")},
    page_url, referrer, utm_source, utm_medium, utm_campaign, experiments, order_id, revenue, currency, properties,
    is_bot, entry_ms, entry_seq, entry_row, coalesce(late, '')
FROM clicks LEFT JOIN (
    SELECT entry_ms, entry_seq, entry_row, event_id, site_id, user_id, device_id,
        concat(' ', string_agg("window", ' '), ' ') AS late
    FROM late_clicks GROUP BY 1, 2, 3, 4, 5, 6, 7
) AS late_ones USING (entry_ms, entry_seq, entry_row, event_id, site_id, user_id, device_id)
WHERE client_timestamp BETWEEN {{0}} AND {{1}}
"""
_SESSIONS = f"""
SELECT "window", site_id, user_id, device_id, session_uid,
    {_MICROSECONDS.format("begin_session")}, {_MICROSECONDS.format("end_session")}, events, version, closed_by
FROM sessions WHERE begin_session BETWEEN {{0}} AND {{1}}
"""


_AS_POSTGRES = (
    "header = false, auto_detect = false, allow_quoted_nulls = false, parallel = false,"
    " delim = ',', quote = '\"', escape = '\"'"
)


def _export(connection: Database, staging: Staging, kind: str, query: str, columns: dict[str, str]) -> None:
    file = Path(staging.folder) / f"{kind}.csv"
    statement = f"COPY ({query}) TO STDOUT (FORMAT csv)".encode()
    with connection.cursor() as cursor, file.open("wb") as target, cursor.copy(statement) as rows:
        target.writelines(rows)
    if file.stat().st_size:
        types = "{" + ", ".join(f"'{column}': '{kind}'" for column, kind in columns.items()) + "}"
        staging.write(kind, f"SELECT * FROM read_csv({text(file)}, {_AS_POSTGRES}, columns = {types})")
    file.unlink()
