"""DuckDB over the whole file: `duckdb_batch.py LINES OUT`, one thread. A limit, no stream."""

import sys

import duckdb

lines, out = sys.argv[1:]
database = duckdb.connect()
database.execute("SET threads = 1")
print("begin", flush=True)
database.execute(f"""
    COPY (
        WITH clicks AS (
            SELECT user_id, device_id, client_event, epoch_us(client_timestamp) AS time_us
            FROM read_json('{lines}', format = 'newline_delimited', columns = {{event_id: 'VARCHAR',
                user_id: 'VARCHAR', device_id: 'VARCHAR', client_event: 'VARCHAR', client_timestamp: 'TIMESTAMP'}})
        ), begun AS (
            SELECT *, coalesce(time_us - lag(time_us) OVER visitor > 1800000000, true) AS begins
            FROM clicks WINDOW visitor AS (PARTITION BY user_id, device_id ORDER BY time_us)
        ), numbered AS (
            SELECT *, sum(begins::int) OVER (visitor ROWS UNBOUNDED PRECEDING) AS n
            FROM begun WINDOW visitor AS (PARTITION BY user_id, device_id ORDER BY time_us)
        )
        SELECT user_id, device_id, make_timestamp(min(time_us)), make_timestamp(max(time_us)), count(*),
            arg_min(client_event, time_us), arg_max(client_event, time_us), max(time_us) - min(time_us)
        FROM numbered GROUP BY user_id, device_id, n
    ) TO '{out}' (FORMAT csv, HEADER false)""")
print("end", flush=True)
