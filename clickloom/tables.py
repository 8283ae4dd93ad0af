"""The tables in Postgres, as SQLAlchemy Core: the one description that migrations, persister and API share.

Partitions of `clicks` and `sessions`, views and functions are SQL in `migrations/`.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.types import TypeEngine

metadata = MetaData()

Moment = TIMESTAMP(timezone=True)


def _required(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]]) -> Column[Any]:
    return Column(name, kind, nullable=False)


# One row a click that entered the stream, duplicates included: its position in the stream is its key. Columns of a
# fixed size come first: so rows have no gaps.
clicks = Table(
    "clicks",
    metadata,
    _required("arrived_at", Moment),  # partitioned by its day
    _required("entry_ms", BigInteger),  # the stream entry's id, ms-seq
    _required("entry_seq", Integer),
    _required("partition", SmallInteger),
    _required("entry_row", SmallInteger),  # the click's row in the record batch
    _required("client_timestamp", Moment),
    _required("is_bot", Boolean),
    _required("event_id", Text),
    _required("site_id", Text),
    _required("user_id", Text),
    _required("device_id", Text),
    _required("device_type", Text),
    _required("client_event", Text),
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
    Column("client_address", Text),  # the network
    # no row twice; and, by the entries' ids, the minutes of the ledger (services/api/recount.py)
    PrimaryKeyConstraint("entry_ms", "entry_seq", "partition", "entry_row", "arrived_at"),
    # a visitor's clicks, for erasure and timelines: WHERE user_id = … (docs/decisions/0008-what-a-row-costs.md)
    Index(
        "clicks_user",
        "user_id",
        postgresql_using="brin",
        postgresql_ops={"user_id": "text_bloom_ops"},
        postgresql_with={"autosummarize": "on"},
    ),
    postgresql_partition_by="RANGE (arrived_at)",
)

# One row a closed session; a revision replaces it.
sessions = Table(
    "sessions",
    metadata,
    _required("session_uid", Uuid),
    _required("begin_session", Moment),  # partitioned by its month; part of what the uid hashes
    _required("end_session", Moment),
    _required("timeagg", Moment),
    _required("duration_sec", Integer),
    _required("events", Integer),
    _required("orders", Integer),
    _required("version", Integer),
    _required("told_ms", BigInteger),  # the entry of the changelog that holds: of a session, the last one does
    _required("told_seq", Integer),
    _required("rollbacks", SmallInteger),  # of the changelog before that: ids from before one say nothing after it
    _required("path_truncated", Boolean),
    _required("converted", Boolean),
    _required("bounced", Boolean),
    _required("window", Text),
    _required("site_id", Text),
    _required("user_id", Text),
    _required("device_id", Text),
    _required("device_type", Text),
    _required("session_id", Text),
    _required("begin_navigation", Text),
    _required("end_navigation", Text),
    _required("closed_by", Text),
    _required("revenue", Numeric),  # a sum: it may be beyond what one click's is
    Column("entry_url", Text),
    Column("referrer", Text),
    Column("utm_source", Text),
    Column("utm_medium", Text),
    Column("utm_campaign", Text),
    Column("experiments", JSONB),
    Column("currency", Text),
    _required("path", ARRAY(Text)),
    _required("path_offsets_us", ARRAY(BigInteger)),
    Column("revised_because", Text),  # of a version after the first
    # No row twice: the uid hashes window and begin. And the list of sessions, newest first, by keyset; the recount of
    # rollups; the original's views
    PrimaryKeyConstraint("window", "begin_session", "session_uid"),
    # one person's sessions, newest first: GET /v1/sessions?user_id=
    Index("sessions_user", "user_id", "begin_session"),
    # one session: GET /v1/sessions/{session_uid}
    Index("sessions_uid", "session_uid", postgresql_using="hash"),
    # the few whose path is cut, of which funnels tell how many they are: POST /v1/funnels
    Index("sessions_truncated", "window", "begin_session", postgresql_where=text("path_truncated")),
    postgresql_partition_by="RANGE (begin_session)",
)

# What `sessions` adds up to, by 5 minutes of begin; moved with each of its rows, and always what a recount gives.
session_rollups = Table(
    "session_rollups",
    metadata,
    Column("window", Text, primary_key=True),
    Column("bucket", Moment, primary_key=True),  # its first moment; a window's charts are of a stretch of time
    Column("site_id", Text, primary_key=True),
    Column("device_type", Text, primary_key=True),
    Column("begin_navigation", Text, primary_key=True),
    _required("sessions", BigInteger),
    _required("events", BigInteger),
    _required("duration_sec", BigInteger),
    _required("bounces", BigInteger),
    _required("conversions", BigInteger),
    _required("orders", BigInteger),
    _required("revenue", Numeric),
    _required("durations", ARRAY(Integer)),  # how many sessions of each class in clickloom/durations.py
)

late_clicks = Table(
    "late_clicks",
    metadata,
    _required("stream", Text),  # the changelog that told of it
    _required("entry_ms", BigInteger),  # the click's own position in `clicks:{p}`, as in `clicks`
    _required("entry_seq", BigInteger),
    _required("entry_row", Integer),
    _required("arrived_at", Moment),  # partitioned by its day
    _required("window", Text),
    _required("event_id", Text),
    _required("site_id", Text),
    _required("user_id", Text),
    _required("device_id", Text),
    _required("client_event", Text),
    _required("client_timestamp", Moment),
    _required("watermark", Moment),
    _required("late_by_us", BigInteger),
    _required("reason", Text),
    _required("details", JSONB),
    # no row twice; and, by the entries' ids, the minutes of the ledger (services/api/recount.py)
    PrimaryKeyConstraint("entry_ms", "entry_seq", "entry_row", "stream", "arrived_at"),
    postgresql_partition_by="RANGE (arrived_at)",
)

rejected_events = Table(
    "rejected_events",
    metadata,
    _required("stream", Text),
    _required("entry_ms", BigInteger),
    _required("entry_seq", BigInteger),
    _required("entry_row", Integer),  # 0 unless one row of the entry is refused
    _required("rejected_at", Moment),  # partitioned by its day
    Column("site_id", Text),  # none: no input, but a row or an entry of a service's own
    _required("source", Text),  # `http`, `replay access.log line 12`, `stream clicks:{3}`
    _required("code", Text),
    _required("message", Text),
    _required("payload", LargeBinary),  # the first 4 KiB
    # no row twice; and, by the entries' ids, the minutes of the ledger (services/api/recount.py)
    PrimaryKeyConstraint("entry_ms", "entry_seq", "entry_row", "stream", "rejected_at"),
    # the newest, for people: ORDER BY rejected_at DESC
    Index("rejected_events_newest", "rejected_at"),
    postgresql_partition_by="RANGE (rejected_at)",
)

# What retention has dropped, so that what is left can still be held against the ledger and the rollups.
dropped_rows = Table(
    "dropped_rows",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("until", Moment, primary_key=True),  # exclusive: what is older was dropped
    Column("window", Text, primary_key=True),  # of sessions, else empty
    Column("site_id", Text, primary_key=True),  # of sessions, else empty
    _required("rows", BigInteger),
    _required("events", BigInteger),  # of sessions, else 0
    Column("last_ms", BigInteger),  # the last stream entry of them; none of sessions
    _required("dropped_at", Moment),
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
    Column("rollbacks", SmallInteger, nullable=False, server_default="0"),  # how often Redis had lost entries
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

# What was erased, as the ledger needs it: how many rows at which place, and no word of whose. With them the sums hold
# as before.
erased_rows = Table(
    "erased_rows",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    _required("kind", Text),  # clicks · late · rejected · refused · sessions: clickloom/erased.py
    Column("partition", SmallInteger),  # of clicks
    Column("stream", Text),  # of late, rejected and refused
    Column("window", Text),  # of sessions
    Column("entry_ms", BigInteger),  # of all but sessions
    Column("entry_seq", BigInteger),
    _required("site_id", Text),
    _required("rows", BigInteger),  # of sessions: their events
    Index("erased_rows_entered", "entry_ms"),
)

# That it happened. The person is a salted hash, by which one can look whether somebody was erased, and nobody be found.
erasures = Table(
    "erasures",
    metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    _required("erased_at", Moment),
    _required("person", Text),
    _required("clicks", BigInteger),
    _required("sessions", BigInteger),
    _required("late", BigInteger),
    _required("rejected", BigInteger),
)
