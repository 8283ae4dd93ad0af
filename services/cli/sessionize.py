"""`clickloom sessionize`: the window code over a file, with no server."""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import msgspec

from clickloom.click import Click, normalise
from clickloom.errors import RejectedInput
from clickloom.session import Session
from clickloom.times import iso, now_us
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import Window
from clickloom.wire import RecordBatch
from services.cli.source import Format, parse_line

CHUNK = 2_000
END_US = 2**61  # a watermark and an arrival that close everything


def read_clicks(lines: BinaryIO, form: Format, rules: Rules, rejected: list[str]) -> Iterator[Click]:
    """The file's clicks; what is none goes to `rejected`, with its line and the reason."""
    received_us = now_us()
    for number, line in enumerate(lines, start=1):
        try:
            click = parse_line(line, number, form)
            bound_us = rules.future_bound_us
            yield normalise(click, received_us=received_us, future_bound_us=bound_us, new_event_id=str)
        except RejectedInput as error:
            rejected.append(f"line {number}: {error.code}: {error}")


def sessionize(clicks: Iterable[Click], window: Window, rules: Rules) -> list[Session]:
    """The final sessions, one watermark for the whole input; arrival is event time, never going back."""
    partition = Partition(window, rules)
    final: dict[object, Session] = {}
    arrival_us = 0
    for chunk in _chunks(clicks):
        arrival_us = max(arrival_us, *(click.time_us for click in chunk))
        partition.apply(RecordBatch.of(chunk, arrival_us))
        _settle(partition, final)
    end = RecordBatch.of([], END_US)
    end.watermark_us = END_US
    partition.apply(end)
    _settle(partition, final)
    return list(final.values())


def _chunks(clicks: Iterable[Click]) -> Iterator[list[Click]]:
    chunk: list[Click] = []
    for click in clicks:
        chunk.append(click)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _settle(partition: Partition, final: dict[object, Session]) -> None:
    """Apply the changelog to `final`."""
    changes = partition.take_changes(0)
    for minus in changes.changelog.minus:
        del final[minus.session_uid]
    for plus in changes.changelog.plus:
        final[plus.session_uid] = plus


def as_json(session: Session) -> bytes:
    """One line."""
    row: dict[str, Any] = {
        "session_uid": session.session_uid,
        "session_id": session.session_id,
        "site_id": session.site_id,
        "user_id": session.user_id,
        "device_id": session.device_id,
        "begin_session": iso(session.begin_us),
        "end_session": iso(session.end_us),
        "events": session.events,
        "begin_navigation": session.begin_navigation,
        "end_navigation": session.end_navigation,
        "duration_sec": session.duration_sec,
        "closed_by": session.closed_by,
        "version": session.version,
    }
    return msgspec.json.encode(row) + b"\n"
