"""Streams: reading them, and who reads how far.

A reader's cursor is shown as a consumer group of the stream, so that `XINFO GROUPS` of any Redis tool tells its lag.
The groups are also the register by which streams are trimmed: what a group has not read stays.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ResponseError

from clickloom.functions import Library
from clickloom.wire import EntryId

START = "0-0"  # the cursor before the first entry
CLUSTER_POLL_S = 0.05
TRIMMED = 1_000  # entries at once: a long way to trim must not hold Redis

Entry = tuple[bytes, dict[bytes, bytes]]  # (id, fields)

# A group's entries-read makes its lag exact, also after trims. It goes on from the group's own last count: by what the
# reader says it has read since, or, if the group stands elsewhere (a reader died between commit and show, or began
# anew), by counting the entries between. Those are still there, for nothing is trimmed past a group.
SHOW_SOURCE = """
local function field(info, label)
  for at = 1, #info, 2 do
    if info[at] == label then return info[at + 1] end
  end
end

local function later(one, other)
  local one_ms, one_seq = one:match('(%d+)-(%d+)')
  local other_ms, other_seq = other:match('(%d+)-(%d+)')
  if one_ms == other_ms then return tonumber(one_seq) > tonumber(other_seq) end
  return tonumber(one_ms) > tonumber(other_ms)
end

local function between(stream, after, last)
  local count = 0
  repeat
    local page = redis.call('XRANGE', stream, '(' .. after, last, 'COUNT', 500)
    count = count + #page
    if #page > 0 then after = page[#page][1] end
  until #page < 500
  return count
end

local function group_of(stream, reader)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  for _, group in ipairs(groups.err and {} or groups) do
    if field(group, 'name') == reader then return group end
  end
end

-- Another after each start of the server, and of a replica that took over.
local function server() return redis.call('INFO', 'server'):match('run_id:(%x+)') end

local function trimmed(stream)
  local info = redis.pcall('XINFO', 'STREAM', stream)
  return info.err and 0 or field(info, 'entries-added') - field(info, 'length')
end

local function register(stream, reader)
  if not group_of(stream, reader) then
    redis.call('XGROUP', 'CREATE', stream, reader, '0-0', 'MKSTREAM', 'ENTRIESREAD', trimmed(stream))
  end
  return 1
end

local function show(stream, reader, since, cursor, entries)
  register(stream, reader)
  local group = group_of(stream, reader)
  local at, read = field(group, 'last-delivered-id'), field(group, 'entries-read')
  if cursor == '0-0' or not read then
    at, read = '0-0', trimmed(stream)
  end
  if at == since and since ~= cursor then
    read = read + entries
  elseif later(cursor, at) then
    read = read + between(stream, at, cursor)
  elseif later(at, cursor) then
    read = read - between(stream, cursor, at)
  end
  redis.call('XGROUP', 'SETID', stream, reader, cursor, 'ENTRIESREAD', read)
  return 1
end
"""

_LIBRARY = Library(
    SHOW_SOURCE
    + """

-- What a group has not read is not trimmed. So an entry that a reader has read, but its group does not know of, is
-- there, unless the server has lost it. Of a group that was made anew behind a trim this cannot be said.
local function lost(stream, reader, cursor)
  local group = group_of(stream, reader)
  if cursor == '0-0' or not group then return 0 end
  local at = field(group, 'last-delivered-id')
  if not later(cursor, at) or (at == '0-0' and trimmed(stream) > 0) then return 0 end
  return #redis.call('XRANGE', stream, cursor, cursor) == 0 and 1 or 0
end

local function register_reader(keys, args) return register(keys[1], args[1]) end
local function show_cursor(keys, args)
  local reader, since, cursor, entries, read_from = unpack(args)
  local moved = read_from ~= '' and read_from ~= server()
  if moved and between(keys[1], since, cursor) ~= tonumber(entries) then return 0 end
  return show(keys[1], reader, since, cursor, tonumber(entries))
end

local function mark_trimmed(keys, args) return redis.call('SET', keys[1], args[1]) end

local function lost_cursor(keys, args) return {lost(keys[1], args[1], args[2]), server()} end
""",
    functions=["register_reader", "show_cursor", "mark_trimmed", "lost_cursor"],
)


@dataclass(frozen=True, slots=True)
class Reader:
    """How far one reader of a stream is."""

    name: str
    cursor: str
    lag: int | None  # entries; None: somebody set the group by hand


def as_bytes(value: Any) -> bytes:
    """What a client that decodes nothing gives."""
    assert isinstance(value, bytes)
    return value


async def read_stream(redis: Redis, stream: str, cursor: str, *, count: int, block_ms: int | None) -> list[Entry]:
    """The entries after the cursor; empty if there are none, or none came within `block_ms`."""
    return (await read_streams(redis, {stream: cursor}, count=count, block_ms=block_ms)).get(stream, [])


async def read_streams(
    redis: Redis, cursors: Mapping[str, str], *, count: int | None = None, block_ms: int | None
) -> dict[str, list[Entry]]:
    """The entries after each stream's cursor, at most `count` of each stream; only of streams that have any.

    Waits up to `block_ms` until one has; None: does not wait.
    """
    if isinstance(redis, RedisCluster):
        return await _read_cluster(redis, cursors, count=count, block_ms=block_ms or 0)
    positions: Any = dict(cursors)  # redis-py's type of it cannot be met by one of str alone
    reply: Any = await redis.xread(positions, count=count, block=block_ms)
    return {name.decode(): entries for name, entries in reply or []}


async def _read_cluster(
    cluster: Any, cursors: Mapping[str, str], *, count: int | None, block_ms: int
) -> dict[str, list[Entry]]:
    """A blocking read would need a connection a stream; so one pipeline a node, again and again."""
    deadline = time.monotonic() + block_ms / 1_000
    while True:
        async with cluster.pipeline(transaction=False) as pipe:
            for stream, cursor in cursors.items():
                pipe.xread({stream: cursor}, count=count)
            replies = await pipe.execute()
        found = {name.decode(): entries for reply in replies for name, entries in reply or []}
        left_s = deadline - time.monotonic()
        if found or left_s <= 0:
            return found
        await asyncio.sleep(min(left_s, CLUSTER_POLL_S))


async def register_reader(redis: Redis, stream: str, reader: str) -> None:
    """From now on nothing that the reader has not read is trimmed. It begins at the first entry that is kept."""
    await _LIBRARY.call(redis, "register_reader", [stream], [reader])


async def show_cursor(
    redis: Redis, stream: str, reader: str, cursor: str, *, since: str, entries: int, read_from: str = ""
) -> bool:
    """Show a committed cursor as the reader's consumer group; it was at `since` and has read `entries` more.

    Done again, or after shows that were missed, it puts the group right all the same.

    read_from: the server that `lost_cursor` told of before the entries were read. False, and nothing is shown, if it
    was started again since then and has lost some of them; a reader's connection mends itself, and would not notice.
    """
    return bool(await _LIBRARY.call(redis, "show_cursor", [stream], [reader, since, cursor, entries, read_from]))


async def lost_cursor(redis: Redis, stream: str, reader: str, cursor: str) -> tuple[bool, str]:
    """Whether Redis has lost the entry at which the reader stands, also if others have come since; and which server
    says so, of those that one after the other are this Redis."""
    lost, server = await _LIBRARY.call(redis, "lost_cursor", [stream], [reader, cursor])
    return bool(lost), as_bytes(server).decode()


async def remove_reader(redis: Redis, stream: str, reader: str) -> bool:
    """Nothing waits for the reader any more. Whether it was registered."""
    try:
        return bool(await redis.xgroup_destroy(stream, reader))
    except ResponseError:  # no such stream
        return False


async def readers_of(redis: Redis, stream: str) -> list[Reader]:
    """Every registered reader; none if there is no such stream."""
    try:
        groups = await redis.xinfo_groups(stream)
    except ResponseError:  # no such stream
        return []
    return [Reader(group["name"].decode(), group["last-delivered-id"].decode(), group["lag"]) for group in groups]


async def last_id(redis: Redis, stream: str) -> str:
    """The id of the last entry that was ever added; START if there was none."""
    try:
        info = await redis.xinfo_stream(stream)
    except ResponseError:  # no such stream
        return START
    return as_bytes(info["last-generated-id"]).decode()


async def trim_to(redis: Redis, stream: str, first_kept: str) -> None:
    """Everything before that entry is gone; `trimmed_to` says so before it begins."""
    await _LIBRARY.call(redis, "mark_trimmed", [_trimmed_key(stream)], [first_kept])
    while await redis.xtrim(stream, minid=first_kept, approximate=True, limit=TRIMMED):
        pass
    await redis.xtrim(stream, minid=first_kept, approximate=False)  # the rest of one node


async def trimmed_to(redis: Redis, streams: Sequence[str]) -> EntryId:
    """The least entry behind which nothing was trimmed, in any of the streams."""
    async with redis.pipeline(transaction=False) as pipe:
        for stream in streams:
            pipe.get(_trimmed_key(stream))
        marks = await pipe.execute()
    return max((split_id(as_bytes(mark).decode()) for mark in marks if mark is not None), default=(0, 0))


def _trimmed_key(stream: str) -> str:
    return f"{stream}:trimmed"


async def clock_ms(redis: Redis) -> int:
    """The clock by which entries get their ids: no stream gets one before it any more. Of a cluster the slowest.

    Unless the clock is set back, or a replica with a slower one takes over.
    """
    if isinstance(redis, RedisCluster):
        cluster: Any = redis
        clocks = list((await cluster.time(target_nodes=RedisCluster.PRIMARIES)).values())
    else:
        clocks = [await redis.time()]
    return min(seconds * 1_000 + us // 1_000 for seconds, us in clocks)


async def range_streams(
    redis: Redis, streams: Sequence[str], first_ms: int, end_ms: int, *, count: int | None = None
) -> dict[str, list[Entry]]:
    """Of each stream the entries from the first time on, and before the end; at most `count`."""
    async with redis.pipeline(transaction=False) as pipe:
        for stream in streams:
            pipe.xrange(stream, min=str(first_ms), max=str(end_ms - 1), count=count)
        return dict(zip(streams, await pipe.execute(), strict=True))


def before(moment_ms: int) -> str:
    """The cursor of who has read all entries from before that time."""
    return f"{moment_ms - 1}-{2**64 - 1}" if moment_ms > 0 else START


def split_id(entry_id: str) -> EntryId:
    """(milliseconds, sequence) of an entry's id."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)


def next_id(entry_id: str) -> str:
    """The least id after this one."""
    milliseconds, sequence = split_id(entry_id)
    return f"{milliseconds}-{sequence + 1}"
