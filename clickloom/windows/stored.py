"""The forms in which a part's sessions stand in Redis. Whoever reads them there needs nothing of the sessionizer's.

A segment holds the sessions that one commit changed, as one value under the commit's number; it never changes. The
newest value of a visitor counts (docs/decisions/0002-commit-by-function.md).
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from clickloom.errors import UnknownVersion
from clickloom.windows.live import Live
from clickloom.windows.watermark import Watermark

VERSION = 1

Meta = tuple[Watermark, int, int, list[int]]  # watermark, arrival clock, how long a bucket of seen ids is, the buckets


class Segment(msgspec.Struct, array_like=True, gc=False):
    """What one commit changed."""

    version: int
    sessions: dict[str, bytes]  # visitor's key → its live sessions
    forgotten: list[str]  # visitors of whom nothing is left, but for older segments


decode_live = msgspec.msgpack.Decoder(list[Live]).decode
decode_meta: Callable[[bytes], Meta] = msgspec.msgpack.Decoder(Meta).decode
_decode = msgspec.msgpack.Decoder(Segment).decode


def decode_segment(stored: bytes) -> Segment:
    """Raises UnknownVersion."""
    segment = _decode(stored)
    if segment.version != VERSION:
        raise UnknownVersion(f"state of version {segment.version}; this software reads version {VERSION}")
    return segment


def decode_names(stored: Mapping[bytes, bytes]) -> dict[int, str]:
    """The event names by their codes."""
    return {int(code): name.decode() for code, name in stored.items()}


def newest(segments: Iterable[Segment]) -> dict[str, bytes]:
    """Every visitor's live sessions; the oldest segment comes first."""
    sessions: dict[str, bytes] = {}
    for segment in segments:
        take_over(segment, sessions)
    return sessions


def take_over(segment: Segment, sessions: dict[str, bytes]) -> None:
    """Bring the sessions up to the segment."""
    sessions.update(segment.sessions)
    for visitor in segment.forgotten:
        sessions.pop(visitor, None)
