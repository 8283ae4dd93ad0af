"""Apache Flink's SQL: `flink_sql.py LINES OUT`. Planner and operators are the JVM's; no Python touches a click."""

import sys
from pathlib import Path

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment

lines, out = map(Path, sys.argv[1:])
configuration = Configuration()
for name, value in {
    "parallelism.default": "1",
    "taskmanager.numberOfTaskSlots": "1",
    "taskmanager.memory.managed.size": "64m",
    "state.backend.type": "hashmap",
    "execution.checkpointing.dir": f"file://{out}.checkpoints",
    "execution.checkpointing.incremental": "true",
    "execution.checkpointing.interval": "1000 ms",
    "execution.checkpointing.mode": "EXACTLY_ONCE",
    "execution.runtime-mode": "STREAMING",
    "pipeline.object-reuse": "true",
    "restart-strategy.type": "none",
    "rest.port": "0",
    "rest.bind-port": "0",
    "table.local-time-zone": "UTC",
}.items():
    configuration.set_string(name, value)
settings = EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration).build()
flink = TableEnvironment.create(settings)
flink.execute_sql(f"""
    CREATE TABLE clicks (
        event_id STRING, user_id STRING, device_id STRING, client_event STRING,
        client_timestamp TIMESTAMP_LTZ(6), clicked AS CAST(client_timestamp AS TIMESTAMP_LTZ(3)),
        WATERMARK FOR clicked AS clicked - INTERVAL '10' SECOND
    ) WITH ('connector' = 'filesystem', 'path' = 'file://{lines}', 'format' = 'json',
            'json.timestamp-format.standard' = 'ISO-8601')""")
flink.execute_sql(f"""
    CREATE TABLE sessions (
        user_id STRING, device_id STRING, begins TIMESTAMP(6), ends TIMESTAMP(6), events BIGINT,
        first_event STRING, last_event STRING, duration_us BIGINT
    ) WITH ('connector' = 'filesystem', 'path' = 'file://{out}', 'format' = 'csv',
            'csv.disable-quote-character' = 'true')""")
# FIRST_VALUE and LAST_VALUE cannot merge sessions: the least and the greatest of time and event together can.
NAMED = "CONCAT(DATE_FORMAT(clicked, 'yyyyMMddHHmmssSSS'), client_event)"
print("begin", flush=True)
flink.execute_sql(f"""
    INSERT INTO sessions
    SELECT user_id, device_id,
        CAST(MIN(client_timestamp) AS TIMESTAMP(6)), CAST(MAX(client_timestamp) AS TIMESTAMP(6)), COUNT(*),
        SUBSTRING(MIN({NAMED}) FROM 18), SUBSTRING(MAX({NAMED}) FROM 18),
        CAST(TIMESTAMPDIFF(SECOND, MIN(clicked), MAX(clicked)) AS BIGINT) * 1000000
    FROM TABLE(SESSION(TABLE clicks PARTITION BY (user_id, device_id), DESCRIPTOR(clicked), INTERVAL '30' MINUTE))
    GROUP BY user_id, device_id, window_start, window_end""").wait()
print("end", flush=True)
