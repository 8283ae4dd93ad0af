"""Reading streams, with the types that redis-py leaves open made plain."""

from typing import Any

from redis.asyncio import Redis

START = "0-0"  # the cursor before the first entry

Entry = tuple[bytes, dict[bytes, bytes]]  # (id, fields)


def as_bytes(value: Any) -> bytes:
    """What a client that decodes nothing gives."""
    assert isinstance(value, bytes)
    return value


async def read_stream(redis: Redis, stream: str, cursor: str, *, count: int, block_ms: int | None) -> list[Entry]:
    """The entries after the cursor; empty if there are none, or none came within `block_ms`."""
    reply: Any = await redis.xread({stream: cursor}, count=count, block=block_ms)
    return [entry for _, entries in reply or [] for entry in entries]


def split_id(entry_id: str) -> tuple[int, int]:
    """(milliseconds, sequence) of an entry's id."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)
