"""The tables in Postgres, as SQLAlchemy Core: the one description that migrations, persister and API share.

Partitions of `clicks` and `sessions`, views and functions are SQL in `migrations/`.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.types import TypeEngine

metadata = MetaData()

Moment = TIMESTAMP(timezone=True)


def _required(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]]) -> Column[Any]:
    return Column(name, kind, nullable=False)


# One row a click that entered the stream, duplicates included: its position in the stream is its key.
clicks = Table(
    "clicks",
    metadata,
    Column("arrived_at", Moment, primary_key=True),  # partitioned by its day
    Column("partition", SmallInteger, primary_key=True),
    Column("entry_ms", BigInteger, primary_key=True),  # the stream entry's id, ms-seq
    Column("entry_seq", Integer, primary_key=True),
    Column("entry_row", SmallInteger, primary_key=True),  # the click's row in the record batch
    _required("event_id", Text),
    _required("site_id", Text),
    _required("user_id", Text),
    _required("device_id", Text),
    _required("device_type", Text),
    _required("client_event", Text),
    _required("client_timestamp", Moment),
    Column("page_url", Text),
    Column("referrer", Text),
    Column("utm_source", Text),
    Column("utm_medium", Text),
    Column("utm_campaign", Text),
    Column("experiments", JSONB),
    Column("order_id", Text),
    Column("revenue", Numeric(18, 6)),
    Column("currency", Text),
    Column("properties", JSONB),
    # a visitor's clicks in order: timelines, erasure, recounts
    Index("clicks_visitor", "site_id", "user_id", "client_timestamp"),
    # the minutes of the ledger; next to nothing to write, since rows lie nearly in this order
    Index("clicks_entered", "entry_ms", postgresql_using="brin", postgresql_with={"autosummarize": "on"}),
    postgresql_partition_by="RANGE (arrived_at)",
)

# One row a closed session; a revision replaces it.
sessions = Table(
    "sessions",
    metadata,
    Column("session_uid", Uuid, primary_key=True),
    Column("begin_session", Moment, primary_key=True),  # partitioned by its month; part of what the uid hashes
    _required("window", Text),
    _required("site_id", Text),
    _required("user_id", Text),
    _required("device_id", Text),
    _required("device_type", Text),
    _required("session_id", Text),
    _required("timeagg", Moment),
    _required("end_session", Moment),
    _required("duration_sec", Integer),
    _required("events", Integer),
    _required("begin_navigation", Text),
    _required("end_navigation", Text),
    _required("path", ARRAY(Text)),
    _required("path_offsets_us", ARRAY(BigInteger)),
    _required("path_truncated", Boolean),
    Column("entry_url", Text),
    Column("referrer", Text),
    Column("utm_source", Text),
    Column("utm_medium", Text),
    Column("utm_campaign", Text),
    Column("experiments", JSONB),
    _required("converted", Boolean),
    _required("orders", Integer),
    _required("revenue", Numeric),  # a sum: it may be beyond what one click's is
    Column("currency", Text),
    _required("bounced", Boolean),
    _required("closed_by", Text),
    _required("version", Integer),
    # the list of sessions, newest first, by keyset
    Index("sessions_newest", "window", "begin_session", "session_uid"),
    # one person's sessions
    Index("sessions_user", "window", "user_id", "begin_session", "session_uid"),
    postgresql_partition_by="RANGE (begin_session)",
)

late_clicks = Table(
    "late_clicks",
    metadata,
    Column("stream", Text, primary_key=True),  # the changelog that told of it
    Column("entry_ms", BigInteger, primary_key=True),  # the click's own position in `clicks:{p}`, as in `clicks`
    Column("entry_seq", Integer, primary_key=True),
    Column("entry_row", Integer, primary_key=True),
    _required("window", Text),
    _required("event_id", Text),
    _required("site_id", Text),
    _required("user_id", Text),
    _required("device_id", Text),
    _required("client_event", Text),
    _required("client_timestamp", Moment),
    _required("arrived_at", Moment),
    _required("watermark", Moment),
    _required("late_by_us", BigInteger),
    _required("reason", Text),
    _required("details", JSONB),
)

rejected_events = Table(
    "rejected_events",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("entry_ms", BigInteger, primary_key=True),
    Column("entry_seq", Integer, primary_key=True),
    Column("entry_row", Integer, primary_key=True),  # 0 unless one row of the entry is refused
    _required("rejected_at", Moment),
    Column("site_id", Text),  # none: no input, but a row or an entry of a service's own
    _required("source", Text),  # `http`, `replay access.log line 12`, `stream clicks:{3}`
    _required("code", Text),
    _required("message", Text),
    _required("payload", LargeBinary),  # the first 4 KiB
    Index("rejected_events_newest", "rejected_at"),
)

# Rejected events that were put right and sent again: which, so that it is done once.
retried_events = Table(
    "retried_events",
    metadata,
    Column("stream", Text, primary_key=True),  # the row's key in rejected_events
    Column("entry_ms", BigInteger, primary_key=True),
    Column("entry_seq", Integer, primary_key=True),
    Column("entry_row", Integer, primary_key=True),
    _required("retried_at", Moment),
)

# How far each stream is in Postgres; moved in the transaction that writes its rows.
stream_cursors = Table(
    "stream_cursors",
    metadata,
    Column("stream", Text, primary_key=True),
    _required("cursor", Text),  # the id of the last entry written, `0-0` before the first
    Column("watermark", Moment),  # of a changelog: complete up to here
    _required("updated_at", Moment),
)

# The ledger: what was told of the clicks on their way, held against what is in the tables (docs/operations.md). A
# minute is that of the stream entries' ids. A row is written by one stream, so that no two wait for each other.
ledger = Table(
    "ledger",
    metadata,
    Column("minute", Moment, primary_key=True),
    Column("site_id", Text, primary_key=True),
    Column("partition", SmallInteger, primary_key=True),
    _required("received", BigInteger),  # clicks of the entries, and rejected events
    _required("rejected", BigInteger),
)

ledger_windows = Table(
    "ledger_windows",
    metadata,
    Column("minute", Moment, primary_key=True),
    Column("window", Text, primary_key=True),
    Column("site_id", Text, primary_key=True),
    Column("partition", SmallInteger, primary_key=True),
    _required("clicks", BigInteger),  # read; those that are none of the following are in sessions
    _required("duplicates", BigInteger),
    _required("late", BigInteger),
    _required("bots", BigInteger),
)

# How far the ledger has counted each stream: never back, also when a stream is read again.
ledger_streams = Table(
    "ledger_streams",
    metadata,
    Column("stream", Text, primary_key=True),
    _required("partition", SmallInteger),
    Column("window", Text),  # of a changelog; all from `first_ms` on is only of these
    _required("counts", Text),  # the stream whose entries are counted: of a changelog the clicks, else itself
    _required("counted_ms", BigInteger),  # up to this entry
    _required("counted_seq", BigInteger),
    Column("first_ms", BigInteger),  # the first entry that the window read; none before there was one
    Column("first_seq", BigInteger),
    _required("number", BigInteger),  # of the last commit
    _required("told", Text),  # the last entry of the changelog that was taken in
    _required("open_events", JSONB),  # as of that: site → clicks in sessions that are not in `sessions`
)

# Who may send events and ask questions; clickloom/access.py says what is in a key.
access_keys = Table(
    "access_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    _required("kind", Text),
    _required("name", Text),
    _required("sites", ARRAY(Text)),
    _required("origins", ARRAY(Text)),
    _required("scopes", ARRAY(Text)),
    _required("digest", LargeBinary),  # SHA-256
    Column("text", Text),  # of a write key, which is no secret
    _required("created_at", Moment),
    Column("revoked_at", Moment),
)
