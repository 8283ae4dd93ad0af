"""The tables, and the original system's views.

`create_all` builds the tables as clickloom/tables.py has them today; a later change of a table is a revision that
alters it and is written out.
"""

from alembic import op

from clickloom.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Where a time belongs that no partition was made for.
DEFAULTS = ["clicks", "sessions", "late_clicks", "rejected_events"]

# Clicks as the first system kept them, with the folders that Firehose made of the hour of arrival.
RAWDATA = """
CREATE VIEW rawdata AS
SELECT user_id, device_id, client_event, client_timestamp,
       to_char(arrived_at AT TIME ZONE 'UTC', 'YYYY') AS partition_0,
       to_char(arrived_at AT TIME ZONE 'UTC', 'MM') AS partition_1,
       to_char(arrived_at AT TIME ZONE 'UTC', 'DD') AS partition_2,
       to_char(arrived_at AT TIME ZONE 'UTC', 'HH24') AS partition_3
FROM clicks
"""

# Rows of the one-minute stagger window; begin and end as `MM:SS`, as the first system wrote them.
AGGREGATED = """
SELECT session_id, user_id, device_id, timeagg, events,
       begin_navigation AS beginnavigation,
       end_navigation AS endnavigation,
       to_char(begin_session AT TIME ZONE 'UTC', 'MI:SS') AS beginsession,
       to_char(end_session AT TIME ZONE 'UTC', 'MI:SS') AS endsession,
       duration_sec,
       to_char(timeagg AT TIME ZONE 'UTC', 'YYYY') AS partition_0,
       to_char(timeagg AT TIME ZONE 'UTC', 'MM') AS partition_1,
       to_char(timeagg AT TIME ZONE 'UTC', 'DD') AS partition_2,
       to_char(timeagg AT TIME ZONE 'UTC', 'HH24') AS partition_3
FROM sessions
WHERE "window" = 'minutes'
"""

# A row begins in the minute of its timeagg: by its begin only this day's or month's partition has to be read.
SINCE = """
CREATE VIEW {name} AS
SELECT a.* FROM ({aggregated}
  AND begin_session >= date_trunc('{unit}', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
  AND begin_session < (date_trunc('{unit}', now() AT TIME ZONE 'UTC') + interval '1 {unit}') AT TIME ZONE 'UTC'
) a
"""


def upgrade() -> None:
    metadata.create_all(op.get_bind())
    for table in DEFAULTS:
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    op.execute(RAWDATA)
    op.execute(f"CREATE VIEW aggregated AS {AGGREGATED}")
    op.execute(SINCE.format(name="clicks_today", unit="day", aggregated=AGGREGATED))
    op.execute(SINCE.format(name="clicks_month", unit="month", aggregated=AGGREGATED))


def downgrade() -> None:
    for view in ("clicks_month", "clicks_today", "aggregated", "rawdata"):
        op.execute(f"DROP VIEW {view}")
    metadata.drop_all(op.get_bind())
