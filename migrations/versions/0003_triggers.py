"""Triggers: the rules, what they have fired, and how far each changelog is judged."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TRIGGERS = """
CREATE TABLE triggers (
    trigger_id uuid PRIMARY KEY,
    name text NOT NULL,
    sites text[] NOT NULL,  -- none: all
    "window" text NOT NULL,
    "on" text NOT NULL,  -- closed, open
    conditions jsonb NOT NULL,  -- clickloom/triggers/conditions.py
    url text NOT NULL,
    secret text NOT NULL,  -- whsec_…: itself, for a signature needs it
    enabled boolean NOT NULL,
    trouble text,  -- why it is not enabled, if nobody said so
    created_at timestamptz NOT NULL,
    enabled_at timestamptz NOT NULL  -- what closed before does not fire
)
"""

# One row a rule and session, and its webhook. A session whose begin a late click moves is another row of `sessions`,
# and known by its visitor and time.
FIRINGS = """
CREATE TABLE trigger_firings (
    firing_id uuid PRIMARY KEY,  -- the webhook's id
    trigger_id uuid NOT NULL REFERENCES triggers ON DELETE CASCADE,
    session_uid uuid NOT NULL,
    site_id text NOT NULL,
    user_id text NOT NULL,
    device_id text NOT NULL,
    begin_session timestamptz NOT NULL,
    end_session timestamptz NOT NULL,
    fired_at timestamptz NOT NULL,
    body text NOT NULL,  -- as it is sent and signed
    state text NOT NULL,  -- pending, delivered, dead
    attempts integer NOT NULL,
    due_at timestamptz NOT NULL,  -- the next attempt; of one under way, when it is given up for lost
    settled_at timestamptz,
    answer text  -- of the last attempt: a status, or why there was none
)
"""
INDEXES = (
    "CREATE UNIQUE INDEX trigger_firings_session ON trigger_firings (trigger_id, session_uid)",
    "CREATE INDEX trigger_firings_visitor ON trigger_firings (trigger_id, user_id, device_id, site_id)",
    "CREATE INDEX trigger_firings_due ON trigger_firings (trigger_id, due_at) WHERE state = 'pending'",
    "CREATE INDEX trigger_firings_newest ON trigger_firings (trigger_id, fired_at, firing_id)",
    "CREATE INDEX trigger_firings_settled ON trigger_firings (settled_at) WHERE state <> 'pending'",
    "CREATE INDEX trigger_firings_user ON trigger_firings (user_id)",
)

# Beside `stream_cursors`, which are the persister's.
CURSORS = """
CREATE TABLE trigger_cursors (
    stream text PRIMARY KEY,
    cursor text NOT NULL,
    updated_at timestamptz NOT NULL
)
"""


def upgrade() -> None:
    for statement in (TRIGGERS, FIRINGS, *INDEXES, CURSORS):
        op.execute(statement)


def downgrade() -> None:
    for name in ("trigger_cursors", "trigger_firings", "triggers"):
        op.execute(f"DROP TABLE {name}")
