"""Why a session was revised; and what `POST /v1/sql` may read: views of the asking key's sites, in their own schema.

Who may use them is a role that the API makes (services/api/query/sql_reader.py).
"""

from importlib import import_module

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

OF_SITES = ["sessions", "clicks", "late_clicks", "rejected_events", "session_rollups"]

# For whom a connection asks. It cannot change its process id, as it could any setting; nor write here.
ASKERS = """
CREATE UNLOGGED TABLE sql_askers (
    pid integer PRIMARY KEY,
    sites text[]  -- none: all
)
"""

# A barrier: no condition of the question is tried on a row of another site, where an error could tell of it.
OF_SITE = """
CREATE VIEW ask.{table} WITH (security_barrier) AS
SELECT * FROM {table}
WHERE (SELECT sites IS NULL FROM sql_askers WHERE pid = pg_backend_pid())
    OR site_id = ANY ((SELECT sites FROM sql_askers WHERE pid = pg_backend_pid())::text[])
"""

# Opens the cursor `answer`. The question is an argument, so that pg_stat_activity shows it to nobody. It must be one
# whole SELECT by itself, before it is put between brackets.
OPEN = """
CREATE FUNCTION ask.open(question text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    alone refcursor := 'alone';
    answer refcursor := 'answer';
BEGIN
    OPEN alone NO SCROLL FOR EXECUTE question;
    CLOSE alone;
    OPEN answer NO SCROLL FOR EXECUTE
        'SELECT * FROM (' || question || E'\\n) AS asked WHERE ask.fits(pg_column_size(asked.*))';
END
$$
"""

# Volatile, so that it is asked of the rows of the answer and of no others.
FITS = """
CREATE FUNCTION ask.fits(bytes integer) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF bytes > 262144 THEN
        RAISE EXCEPTION 'a row of the answer has % bytes; it may have 262144', bytes;
    END IF;
    RETURN true;
END
$$
"""


def upgrade() -> None:
    for table in ("sessions", "session_changes"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS revised_because text")
    op.execute("CREATE SCHEMA ask")
    op.execute(ASKERS)
    for table in OF_SITES:
        op.execute(OF_SITE.format(table=table))
    original = import_module("migrations.versions.0001_tables_and_views")
    op.execute(original.RAWDATA.replace("VIEW ", "VIEW ask.").replace("FROM ", "FROM ask."))
    aggregated = original.AGGREGATED.replace("FROM ", "FROM ask.")
    op.execute(f"CREATE VIEW ask.aggregated AS {aggregated}")
    for name, unit in (("clicks_today", "day"), ("clicks_month", "month")):
        op.execute(original.SINCE.format(name=f"ask.{name}", unit=unit, aggregated=aggregated))
    op.execute(FITS)
    op.execute(OPEN)


def downgrade() -> None:
    op.execute("DROP SCHEMA ask CASCADE")
    op.execute("DROP TABLE sql_askers")
    for table in ("sessions", "session_changes"):
        op.execute(f"ALTER TABLE {table} DROP COLUMN revised_because")
