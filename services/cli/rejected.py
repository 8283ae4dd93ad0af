"""Rejected events: what they are, and those that are none any more sent again."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import psycopg
from psycopg.rows import class_row

from clickloom.click import DEFAULT_SITE, Click
from clickloom.connect import open_redis
from clickloom.database import libpq_url
from clickloom.errors import ServerUnavailable
from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.times import from_datetime, now_us
from clickloom.wire import MAX_PAYLOAD
from services.api.ingest import sources
from services.api.ingest.events import Terms, sort_events
from services.api.ingest.privacy import Privacy
from services.generator import publishing

AT_ONCE = 500

# Whose payload is an event as `POST /v1/events` takes it.
_PARSED = (sources.HTTP, sources.KINESIS, sources.TRACKER, publishing.SOURCE)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row of `rejected_events`."""

    stream: str
    entry_ms: int
    entry_seq: int
    entry_row: int
    rejected_at: datetime
    site_id: str | None
    source: str
    code: str
    message: str
    payload: bytes

    @property
    def key(self) -> tuple[str, int, int, int]:
        return (self.stream, self.entry_ms, self.entry_seq, self.entry_row)

    @property
    def is_whole(self) -> bool:
        """Whether the payload is all that came: only then can it be sent again."""
        return len(self.payload) < MAX_PAYLOAD


@dataclass(frozen=True, slots=True)
class Choice:
    """Which ones; None: whatever it is."""

    code: str | None = None
    source: str | None = None
    begin: datetime | None = None
    end: datetime | None = None


@dataclass(slots=True)
class Outcome:
    """Of sending again."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # by the reason


_ROWS = """
SELECT stream, entry_ms, entry_seq, entry_row, rejected_at, site_id, source, code, message, payload
FROM rejected_events AS r
WHERE (%(code)s::text IS NULL OR code = %(code)s) AND (%(source)s::text IS NULL OR source = %(source)s)
  AND (%(begin)s::timestamptz IS NULL OR rejected_at >= %(begin)s)
  AND (%(end)s::timestamptz IS NULL OR rejected_at < %(end)s)
  AND NOT EXISTS (SELECT FROM retried_events AS t WHERE (t.stream, t.entry_ms, t.entry_seq, t.entry_row)
                  = (r.stream, r.entry_ms, r.entry_seq, r.entry_row))
"""


def list_rejected(settings: Settings, choice: Choice, limit: int) -> list[Rejected]:
    """The newest that were not sent again. Raises ServerUnavailable."""
    with _connect(settings) as connection:
        return _read(connection, choice, "ORDER BY rejected_at DESC LIMIT %(limit)s", limit=limit)


async def retry(settings: Settings, choice: Choice, *, dry: bool) -> Outcome:
    """Send again what would be accepted now; the oldest first. Raises ServerUnavailable, RedisError.

    1. Read some, and make clicks of them, each with an id that follows from what it is a retry of.
    2. Publish the clicks.
    3. Note which they were.

    A crash between 2 and 3 makes the next run publish them once more, under the same ids: they count once.
    """
    outcome = Outcome()
    privacy = Privacy(settings.user_id_salt.get_secret_value(), settings.keep_client_address)
    async with open_redis(settings.redis_url) as redis:
        publisher = Publisher(redis, keys=Keys(settings.namespace), partitions=settings.partitions)
        with _connect(settings) as connection:
            for rows in _in_parts(connection, choice):
                good = _accepted(rows, settings.future_bound_us, privacy, outcome)
                if good and not dry:
                    await publisher.publish([click for _, click in good], arrival_us=now_us())
                    _note(connection, [row for row, _ in good])
    return outcome


def _in_parts(connection: psycopg.Connection[Any], choice: Choice) -> list[list[Rejected]]:
    rows = _read(connection, choice, "AND source = ANY(%(parsed)s) ORDER BY rejected_at", parsed=list(_PARSED))
    return [rows[first : first + AT_ONCE] for first in range(0, len(rows), AT_ONCE)]


def _accepted(
    rows: Sequence[Rejected], future_bound_us: int, privacy: Privacy, outcome: Outcome
) -> list[tuple[Rejected, Click]]:
    good = []
    for row in rows:
        if not row.is_whole:
            outcome.refused[f"only its first {MAX_PAYLOAD} bytes were kept"] += 1
            continue
        found = sort_events([row.payload], _terms(row, future_bound_us, privacy))
        good += [(row, click) for click in found.clicks]
        outcome.refused.update(rejection.message for rejection in found.rejected)
    outcome.accepted += len(good)
    return good


def _terms(row: Rejected, future_bound_us: int, privacy: Privacy) -> Terms:
    """Those of then, so that a client's clock is corrected as it would have been, and an id that is made for the event
    is always the same; but what was in the future then may not be any more."""
    received_us = from_datetime(row.rejected_at)
    return Terms(
        received_us=received_us,
        future_bound_us=future_bound_us + now_us() - received_us,
        random_bits=int.from_bytes(blake2b(repr(row.key).encode(), digest_size=10).digest()) >> 6,
        site_id=row.site_id if row.site_id != DEFAULT_SITE else None,
        privacy=privacy,
    )


def _note(connection: psycopg.Connection[Any], rows: Sequence[Rejected]) -> None:
    noted = [(*row.key, datetime.now(UTC)) for row in rows]
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO retried_events VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING", noted)


def _read(connection: psycopg.Connection[Any], choice: Choice, order: str, **more: Any) -> list[Rejected]:
    told = {"code": choice.code, "source": choice.source, "begin": choice.begin, "end": choice.end, **more}
    with connection.cursor(row_factory=class_row(Rejected)) as cursor:
        return cursor.execute((_ROWS + order).encode(), told).fetchall()


def _connect(settings: Settings) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(libpq_url(settings.database_url, application_name="clickloom-rejected"), autocommit=True)
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise ServerUnavailable(f"the PostgreSQL of DATABASE_URL does not answer: {reason}") from error
