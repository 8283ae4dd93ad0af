"""Bytewax: `bytewax_flow.py LINES OUT`, one worker."""

import sys
from datetime import datetime, timedelta

import bytewax.operators as op
import bytewax.operators.windowing as windows
import orjson
from bytewax.connectors.files import FileSink, FileSource
from bytewax.dataflow import Dataflow
from bytewax.testing import cluster_main

lines, out = sys.argv[1:]


def parsed(line):
    event = orjson.loads(line)
    at = datetime.fromisoformat(event["client_timestamp"])
    return f"{event['user_id']},{event['device_id']}", (at, event["client_event"])


def nothing():
    return [None, None, 0, None, None]  # begin, end, events, first, last


def with_one_more(session, click):
    at, name = click
    begin, end, events, first, last = session
    if events == 0:
        return [at, at, 1, name, name]
    if at < begin:
        begin, first = at, name
    if at >= end:
        end, last = at, name
    return [begin, end, events + 1, first, last]


def merged(one, other):
    if one[2] == 0 or other[2] == 0:
        return one if one[2] else other
    first, last = min(one, other, key=lambda it: it[0]), max(one, other, key=lambda it: it[1])
    return [first[0], last[1], one[2] + other[2], first[3], last[4]]


def row(keyed):
    key, (_, session) = keyed
    begin, end, events, first, last = session
    duration_us = (end - begin) // timedelta(microseconds=1)
    return key, f"{key},{begin.isoformat()},{end.isoformat()},{events},{first},{last},{duration_us}"


# With a system clock every open key would be looked at each time: these clicks are history.
clock = windows.EventClock(
    ts_getter=lambda click: click[0],
    wait_for_system_duration=timedelta(seconds=10),
    to_system_utc=lambda _: None,
)
flow = Dataflow("sessions")
clicks = op.map("parse", op.input("lines", flow, FileSource(lines, batch_size=1000)), parsed)
gap = windows.SessionWindower(gap=timedelta(minutes=30))
sessions = windows.fold_window("sessions", clicks, clock, gap, nothing, with_one_more, merged, ordered=False)
op.output("out", op.map("row", sessions.down, row), FileSink(out))
print("begin", flush=True)
cluster_main(flow, [], 0)
print("end", flush=True)
