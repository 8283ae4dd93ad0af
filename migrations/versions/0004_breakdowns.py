"""Breakdowns of whole days, and which days they are counted of."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Described in clickloom/breakdowns.py.
BREAKDOWNS = """
CREATE TABLE breakdowns (
    "window" text NOT NULL,
    dimension text NOT NULL,
    hours smallint NOT NULL,
    bucket timestamptz NOT NULL,
    site_id text NOT NULL,
    device_type text NOT NULL,
    value text,
    sessions bigint NOT NULL,
    events bigint NOT NULL,
    duration_sec bigint NOT NULL,
    bounces bigint NOT NULL,
    conversions bigint NOT NULL,
    orders bigint NOT NULL,
    revenue numeric NOT NULL,
    currency_least text,
    currency_most text,
    durations integer[],
    visitors bytea NOT NULL
)
"""
# A dimension's buckets, one after the other.
PLACE = 'CREATE INDEX breakdowns_place ON breakdowns ("window", dimension, hours, bucket)'
# Packed already, and read as a whole.
STORAGE = "ALTER TABLE breakdowns ALTER visitors SET STORAGE EXTERNAL"

DAYS = """
CREATE TABLE breakdown_days (
    "window" text NOT NULL,
    site_id text NOT NULL,
    day date NOT NULL,
    changed bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now(),
    counted bigint NOT NULL DEFAULT 0,
    counted_at timestamptz,
    left_out text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY ("window", site_id, day)
) WITH (fillfactor = 50)
"""
# The days that are there already have not been counted.
PRESENT = """
INSERT INTO breakdown_days ("window", site_id, day, changed, changed_at)
SELECT DISTINCT "window", site_id, CAST(bucket AT TIME ZONE 'UTC' AS date), 1, now() FROM session_rollups
"""


def upgrade() -> None:
    for statement in (BREAKDOWNS, PLACE, STORAGE, DAYS, PRESENT):
        op.execute(statement)


def downgrade() -> None:
    for name in ("breakdown_days", "breakdowns"):
        op.execute(f"DROP TABLE {name}")
