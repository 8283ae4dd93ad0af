"""Erasing a person, in step with everything that runs.

An entry in each `clicks:{p}` says who is to be forgotten. Whoever reads it has read all that came before: a sessionizer
closes and forgets the person's sessions with its commit, the persister has written all of it. What streams still hold
from before is trimmed then, so that nothing can be read again, and the rows are deleted
(docs/decisions/0012-erasing-a-person.md).

Every step may be done again: an erasure that was cut short is simply begun anew.
"""

import asyncio
import time
from collections.abc import Mapping

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ResponseError
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.durability import ON_DISK_WITHIN_MS
from clickloom.erased import Erased, delete_rows
from clickloom.errors import InvalidInput, ServerUnavailable
from clickloom.keys import SEPARATOR, Keys, Person
from clickloom.layout import Layout, read_layout
from clickloom.streams import as_bytes, last_id, next_id, readers_of, split_id, trim_to
from clickloom.times import now_us
from clickloom.wire import FIELD, EntryId, RecordBatch, encode

POLL_S = 0.1
_LONGEST = {"user": 128, "site": 64}

Ends = Mapping[str, str]  # stream → the entry up to which it is about


def person_of(user_id: str, site_id: str | None) -> Person:
    """Raises InvalidInput for what can be no user or site."""
    for field, value in (("user", user_id), ("site", site_id)):
        if value is not None and not (0 < len(value) <= _LONGEST[field] and not {SEPARATOR, "\0"} & set(value)):
            raise InvalidInput(
                f"{field}: {value!r} cannot be one: 1 to {_LONGEST[field]} characters, as events have it"
            )
    return Person(site_id, user_id)


async def erase(redis: Redis, engine: AsyncEngine, keys: Keys, person: Person, *, within_s: float) -> Erased:
    """Leave nothing of the person that came before this was called; nobody else's numbers change.

    1. Say it in every stream of clicks.
    2. Wait until all that read them have read that, and the changelogs that came of it are in Postgres.
    3. Trim what the streams hold from before, and have Redis bring all to its disk.
    4. Delete the rows, and note in the ledger how many there were.

    A crash after any of them leaves the person in what comes after; the next call does all of it.

    Raises ServerUnavailable, naming who has not read what, if that takes longer than `within_s`.
    """
    deadline = time.monotonic() + within_s
    layout = await read_layout(redis, keys)
    said = {number: await _say(redis, keys.clicks(number), person) for number in range(layout.partitions)}
    ends = {keys.clicks(number): entry for number, entry in said.items()}
    ends[keys.rejected()] = await last_id(redis, keys.rejected())
    await _await_readers(redis, ends, deadline)
    changelogs = {stream: await last_id(redis, stream) for stream in _changelogs(keys, layout)}
    await _await_readers(redis, changelogs, deadline)
    for stream, end in {**ends, **changelogs}.items():
        await trim_to(redis, stream, next_id(end))
    await _bring_to_disk(redis, keys)
    markers: dict[int, EntryId] = {number: split_id(entry) for number, entry in said.items()}
    held = list(changelogs) if layout.persisted else []
    return await delete_rows(engine, person, markers, held, deadline=deadline)


async def _say(redis: Redis, stream: str, person: Person) -> str:
    batch = RecordBatch.of([], now_us())
    batch.erase = [person]
    return as_bytes(await redis.xadd(stream, {FIELD: encode(batch)})).decode()


def _changelogs(keys: Keys, layout: Layout) -> list[str]:
    windows = sorted({*layout.windows, *layout.removed})
    return [keys.sessions(window, number) for window in windows for number in range(layout.partitions)]


async def _await_readers(redis: Redis, ends: Ends, deadline: float) -> None:
    """Until every registered reader of each stream has committed so far."""
    for stream, end in ends.items():
        while behind := [
            reader.name for reader in await readers_of(redis, stream) if split_id(reader.cursor) < split_id(end)
        ]:
            if time.monotonic() > deadline:
                raise ServerUnavailable(
                    f"not erased yet: {', '.join(behind)} has not read {stream} so far; see that it runs"
                    " (`clickloom status`), and give the command again"
                )
            await asyncio.sleep(POLL_S)


async def _bring_to_disk(redis: Redis, keys: Keys) -> None:
    """As far as Redis can say: without an append-only file, and of a cluster, it cannot."""
    if isinstance(redis, RedisCluster):
        return
    async with redis.pipeline(transaction=False) as pipe:
        pipe.xtrim(keys.rejected(), minid="0-0")  # a write on the connection, behind all the others
        pipe.waitaof(1, 0, ON_DISK_WITHIN_MS)
        try:
            await pipe.execute()
        except ResponseError:
            return
