"""The changelog as a reader sees it, against what the same clicks give without stores and processes."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from clickloom.click import Click
from clickloom.keys import Keys, partition_of
from clickloom.session import Session
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import Window
from clickloom.wire import FIELD, Changelog, RecordBatch, decode_changelog


class Sessions(dict[UUID, Session]):
    """By session_uid."""


def apply(changelog: Changelog, sessions: Sessions) -> int:
    """One entry's rows; a − row without its + row is an error. Returns how many clicks were late."""
    for minus in changelog.minus:
        assert sessions.pop(minus.session_uid).version == minus.version
    for plus in changelog.plus:
        assert plus.session_uid not in sessions, "a + row over a + row"
        sessions[plus.session_uid] = plus
    return len(changelog.late)


async def stored_sessions(redis: Redis, keys: Keys, window: str, partitions: int) -> Sessions:
    """What the changelog streams say in the end; no click may be late."""
    sessions = Sessions()
    for number in range(partitions):
        entries: Any = await redis.xrange(keys.sessions(window, number))
        for _, fields in entries:
            assert apply(decode_changelog(fields[FIELD]), sessions) == 0
    return sessions


def expected_sessions(
    clicks: Sequence[Click], window: Window, rules: Rules, *, partitions: int, end_us: int
) -> Sessions:
    """All clicks in one batch a partition, and then the end of the input."""
    sessions = Sessions()
    for number in range(partitions):
        mine = [click for click in clicks if partition_of(click.key, partitions) == number]
        partition = Partition(window, rules)
        for start in range(0, len(mine), 100):
            partition.apply(RecordBatch.of(mine[start : start + 100], 0))
        partition.watermark.advance(end_us)
        partition.idle(end_us)
        assert apply(partition.take_changes(0).changelog, sessions) == 0
    return sessions
