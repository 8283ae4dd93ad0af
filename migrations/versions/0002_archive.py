"""The archive: how far it is, and what of the sessions it has not written yet."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# One row a table that is archived; none: there is no archive, and nothing is kept for it.
ARCHIVES = """
CREATE TABLE archives (
    "table" text PRIMARY KEY,
    place text NOT NULL,
    number bigint NOT NULL,  -- of the last plan, and the name of its files
    plan jsonb,  -- ranges of positions or changes whose files are being written; none: those of the last are
    rows_written bigint NOT NULL,
    written_at timestamptz NOT NULL,
    trouble text,  -- why the last try failed; none: it did not
    first_from timestamptz  -- of sessions: those of before the archive, from this hour on, are still to be written
)
"""

# Up to which position of clicks:{partition} clicks are in the archive.
CURSORS = """
CREATE TABLE archive_cursors (
    partition smallint PRIMARY KEY,
    entry_ms bigint NOT NULL,
    entry_seq bigint NOT NULL
)
"""

# What was put into `sessions` and taken out, in order, until it is in the archive. Triggers fill it, which are there
# only as long as there is an archive (services/persister/archive_first.py).
CHANGES = """
CREATE TABLE session_changes (
    change bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revoked boolean NOT NULL,
    LIKE sessions
)
"""


def upgrade() -> None:
    for table in (ARCHIVES, CURSORS, CHANGES):
        op.execute(table)


def downgrade() -> None:
    for name in ("session_changes", "archive_cursors", "archives"):
        op.execute(f"DROP TABLE {name}")
