"""Spark Structured Streaming: `spark_stream.py CHUNKS OUT`, four files a batch, each with a checkpoint."""

import sys
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

chunks, out = map(Path, sys.argv[1:])
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.sql.shuffle.partitions", 1)
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "4g")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.sql.session.timeZone", "UTC")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
schema = "event_id STRING, user_id STRING, device_id STRING, client_event STRING, client_timestamp TIMESTAMP"
clicks = spark.readStream.schema(schema).option("maxFilesPerTrigger", 4).json(str(chunks))
at = f.col("client_timestamp")
sessions = (
    clicks.withWatermark("client_timestamp", "10 seconds")
    .groupBy("user_id", "device_id", f.session_window(at, "30 minutes"))
    .agg(
        f.min(at).alias("begins"),
        f.max(at).alias("ends"),
        f.count("*").alias("events"),
        f.min_by("client_event", at).alias("first"),
        f.max_by("client_event", at).alias("last"),
    )
    .drop("session_window")
    .withColumn("duration_us", f.unix_micros("ends") - f.unix_micros("begins"))
)
print("begin", flush=True)
query = (
    sessions.writeStream.format("csv")
    .option("path", str(out))
    .option("checkpointLocation", f"{out}.checkpoints")
    .option("timestampFormat", "yyyy-MM-dd HH:mm:ss.SSSSSS")
    .outputMode("append")
    .trigger(availableNow=True)
    .start()
)
query.awaitTermination()
print("end", flush=True)
spark.stop()
