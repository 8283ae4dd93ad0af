"""What the breakdowns of one day are: one query, which counts the day and checks it."""

from sqlalchemy.dialects import postgresql

from clickloom.breakdowns import DAY, EXPERIMENT, HOUR, KEPT, SUMS, TOTAL, breakdowns
from clickloom.durations import CLASSES
from clickloom.session_fields import class_number, duration_class, entry_page, referrer_host
from clickloom.tables import sessions
from clickloom.visitor_sketch import PACKED, RANK, REGISTER

MOST_VALUES = 2_000  # of a dimension in a day: beyond that it is left out, for it would be as long as the sessions
MOST_EXPERIMENTS = 100

COLUMNS = ", ".join(f'"{column.name}"' for column in breakdowns.c)

_DIALECT = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy has it without types
_COMPUTED = {
    make.__name__: str(make(sessions).compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})).replace(
        "%", "%%"
    )
    for make in (entry_page, referrer_host, class_number, duration_class)
}
_PLAIN = [name for name in KEPT if name not in _COMPUTED]
_READ = ("device_type", "experiments", "duration_sec", "events", "bounced", "converted", "orders", "revenue")

# The sums of sessions, and of sums of sessions.
_ADD = """count(*) AS sessions, sum(events)::bigint AS events, sum(duration_sec)::bigint AS duration_sec,
        count(*) FILTER (WHERE bounced) AS bounces, count(*) FILTER (WHERE converted) AS conversions,
        sum(orders)::bigint AS orders, sum(revenue) AS revenue,
        min(currency) FILTER (WHERE revenue <> 0) AS currency_least,
        max(currency) FILTER (WHERE revenue <> 0) AS currency_most"""
_ADD_UP = f"""{", ".join(f"sum({name})::bigint AS {name}" for name in SUMS[:-1])}, sum(revenue) AS revenue,
        min(currency_least) AS currency_least, max(currency_most) AS currency_most"""
_ADDED = ", ".join((*SUMS, "currency_least", "currency_most"))
_CLASSES = ", ".join(
    f"coalesce(sum(sessions) FILTER (WHERE class_number = {number}), 0)::int" for number in range(1, CLASSES + 1)
)
_PLACE = "%(window)s::text, {dimension}, {hours}, {bucket}, %(site_id)s::text, device_type, {value}"
_HOURLY = {
    "dimension": f"'{TOTAL}'",
    "hours": f"CASE WHEN hour IS NULL THEN {DAY} ELSE {HOUR} END",
    "bucket": "coalesce(hour, %(begin)s::timestamptz)",
    "value": "NULL::text",
}
_DAILY = {"dimension": "dimension", "hours": str(DAY), "bucket": "%(begin)s::timestamptz", "value": "value"}

# Rows of `breakdowns`, all that a day has. Parameters: window, site_id, begin, end.
COUNTED = f"""
WITH mine AS MATERIALIZED (
    SELECT date_trunc('hour', begin_session, 'UTC') AS hour, {", ".join((*_READ, *_PLAIN))},
        {", ".join(f"{expression} AS {name}" for name, expression in _COMPUTED.items())},
        {REGISTER} AS register, {RANK} AS rank
    FROM sessions
    WHERE "window" = %(window)s AND site_id = %(site_id)s
        AND begin_session >= %(begin)s AND begin_session < %(end)s
), classed AS (
    SELECT hour, device_type, class_number, {_ADD} FROM mine GROUP BY 1, 2, 3
), total AS (
    SELECT hour, device_type, {_ADD_UP}, ARRAY[{_CLASSES}] AS durations
    FROM classed GROUP BY GROUPING SETS ((hour, device_type), (device_type))
), registers AS (
    SELECT hour, device_type, register, max(rank) AS rank
    FROM mine GROUP BY GROUPING SETS ((hour, device_type, register), (device_type, register))
), sketched AS (
    SELECT hour, device_type, {PACKED} AS visitors FROM registers GROUP BY hour, device_type
), parts AS (
    SELECT dimension, value, device_type, register, max(rank) AS rank, {_ADD}
    FROM mine CROSS JOIN LATERAL (
        VALUES {", ".join(f"('{name}', {name}::text)" for name in KEPT)}
        UNION ALL SELECT '{EXPERIMENT}' || key, jsonb_each_text.value FROM jsonb_each_text(experiments)
    ) AS one (dimension, value)
    GROUP BY dimension, value, device_type, register
), broken AS (
    SELECT dimension, value, device_type, {_ADD_UP}, {PACKED} AS visitors
    FROM parts GROUP BY dimension, value, device_type
)
SELECT {_PLACE.format(**_HOURLY)}, {_ADDED}, durations, visitors
FROM (
    SELECT total.*, visitors FROM total JOIN sketched
        ON sketched.device_type = total.device_type AND sketched.hour IS NOT DISTINCT FROM total.hour
) AS whole
UNION ALL
SELECT {_PLACE.format(**_DAILY)}, {_ADDED}, NULL, visitors FROM broken
"""
