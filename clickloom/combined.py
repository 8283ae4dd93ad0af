"""Access logs in the Apache combined format as clicks.

https://httpd.apache.org/docs/current/logs.html#combined
"""

import re
from datetime import UTC, datetime

import xxhash

from clickloom.click import Click
from clickloom.errors import RejectedInput
from clickloom.times import from_datetime, iso

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_LINE = re.compile(rf"(\S+) \S+ \S+ \[([^\]]+)\] {_QUOTED} (\d{{3}}) (\d+|-) {_QUOTED} {_QUOTED}\s*")
_TIME = "%d/%b/%Y:%H:%M:%S %z"


def parse_combined(line: str) -> Click:
    """A line as a click: the address is the user, a hash of the user agent the device, the first segment the event.

    It has no event id: a log does not tell two equal lines apart. Raises RejectedInput.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        raise RejectedInput("malformed_line", "not a line of the combined format; is it cut short?")
    address, time, request, _, _, referrer, agent = match.groups()
    path = _path(request)
    return Click(
        user_id=address,
        device_id=xxhash.xxh3_64_hexdigest(agent.encode()),
        client_event=_event(path),
        client_timestamp=_time(time),
        page_url=path[:2048],
        referrer=referrer[:2048] if referrer not in ("", "-") else None,
    )


def _path(request: str) -> str:
    parts = request.split(" ")
    if len(parts) < 2 or not parts[1]:
        raise RejectedInput("malformed_line", f"the request {request!r} names no path")
    return parts[1]


def _event(path: str) -> str:
    segments = path.partition("?")[0].partition("#")[0].split("/")
    return next(filter(None, segments), "/")[:64]


def _time(text: str) -> str:
    try:
        return iso(from_datetime(datetime.strptime(text, _TIME).astimezone(UTC)))
    except ValueError as error:
        raise RejectedInput("invalid_time", f"the time {text!r} is not as 17/May/2015:10:05:03 +0000") from error
