"""Polars over the whole file: `polars_batch.py LINES OUT`, one thread. A limit, no stream."""

import sys

import polars as pl

lines, out = sys.argv[1:]
names = ("event_id", "user_id", "device_id", "client_event", "client_timestamp")
at, visitor = pl.col("at"), ("user_id", "device_id")
begins = (at - at.shift(1) > pl.duration(minutes=30)).fill_null(value=True)
for name in visitor:
    begins = begins | (pl.col(name) != pl.col(name).shift(1))
print("begin", flush=True)
(
    pl.scan_ndjson(lines, schema=dict.fromkeys(names, pl.String))
    .select(*visitor, "client_event", at=pl.col("client_timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.6fZ"))
    .sort(*visitor, "at")
    .with_columns(session=begins.fill_null(value=True).cum_sum())
    .group_by("session")
    .agg(
        *(pl.first(name) for name in visitor),
        begins=pl.min("at"),
        ends=pl.max("at"),
        events=pl.len(),
        first=pl.first("client_event"),
        last=pl.last("client_event"),
        duration_us=(pl.max("at") - pl.min("at")).dt.total_microseconds(),
    )
    .drop("session")
    .collect(engine="streaming")
    .write_csv(out, include_header=False)
)
print("end", flush=True)
