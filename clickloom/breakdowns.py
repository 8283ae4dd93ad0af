"""What whole days of `sessions` add up to, by each thing that questions break numbers down by.

Counted anew from `sessions` when a day has changed (services/persister/day_counter.py), never moved: a day holds only
as long as it was counted after its last change.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
)

from clickloom.tables import Moment

metadata = MetaData()  # apart from clickloom/tables.py: a migration of its own makes them

TOTAL = ""  # the dimension of all sessions
EXPERIMENT = "experiment:"  # before the name of an experiment
# The dimensions that are kept, by day; and every experiment's.
KEPT = (
    *("begin_navigation", "end_navigation", "entry_page", "referrer", "referrer_host"),
    *("utm_source", "utm_medium", "utm_campaign", "currency", "duration_class"),
)
SUMS = ("sessions", "events", "duration_sec", "bounces", "conversions", "orders", "revenue")
HOUR, DAY = 1, 24

# One row a value. A session without the field is in a row of no value; one without the experiment in none of its rows.
breakdowns = Table(
    "breakdowns",
    metadata,
    Column("window", Text, nullable=False),
    Column("dimension", Text, nullable=False),
    Column("hours", SmallInteger, nullable=False),  # how long the bucket is; of TOTAL alone also the hours are kept
    Column("bucket", Moment, nullable=False),  # its first moment, UTC
    Column("site_id", Text, nullable=False),
    Column("device_type", Text, nullable=False),
    Column("value", Text),
    *(Column(name, BigInteger, nullable=False) for name in SUMS[:-1]),
    Column("revenue", Numeric, nullable=False),
    Column("currency_least", Text),  # of the sessions with revenue: one currency if both are the same
    Column("currency_most", Text),
    Column("durations", ARRAY(Integer)),  # of TOTAL: how many of each class in clickloom/durations.py
    Column("visitors", LargeBinary, nullable=False),  # a sketch: clickloom/visitor_sketch.py
)

# One row a day (UTC) that has sessions, or had. Counted are its breakdowns if `counted` is `changed`.
breakdown_days = Table(
    "breakdown_days",
    metadata,
    Column("window", Text, primary_key=True),
    Column("site_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("changed", BigInteger, nullable=False),  # how many transactions have changed its sessions
    Column("changed_at", Moment, nullable=False),
    Column("noted_at", Moment, nullable=False),  # of the first change
    Column("counted", BigInteger, nullable=False),  # after how many of them it was counted; 0: not yet
    Column("counted_at", Moment),
    Column("left_out", ARRAY(Text), nullable=False),  # dimensions of too many values
)
