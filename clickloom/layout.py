"""How a Redis is laid out: what was fixed at first start, and who reads which stream.

A stream is trimmed up to what all its registered readers have committed. So every reader is registered before anything
could be trimmed: a sessionizer, the only service that trims, registers the windows and the persister before it begins,
even if there has never been a persister.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from clickloom.connect import fix_field, fix_layout, open_redis, put_field
from clickloom.errors import InvalidSetting, ServerUnavailable
from clickloom.keys import Keys
from clickloom.streams import as_bytes, readers_of, register_reader, remove_reader
from clickloom.times import format_duration
from clickloom.windows.spec import SessionWindow, Window

PERSISTER = "persister"  # the reader that brings every stream into Postgres
TRIGGERS = "triggers"  # the reader that judges closing sessions; it is one from its own first start on
_REGISTERED, _REMOVED = "registered", "removed"
_WINDOW = "window:"


@dataclass(frozen=True, slots=True)
class Layout:
    """What Redis says of itself."""

    partitions: int
    windows: dict[str, str]  # name → definition; also of those that are in the settings no more
    removed: frozenset[str]  # windows of which only a changelog is left, that the persister has not written yet
    persisted: bool  # whether the persister is a registered reader
    triggered: bool  # whether the triggers are

    def streams(self, keys: Keys, partition: int) -> dict[str, set[str]]:
        """The partition's streams that have readers, with the names of those that must be registered."""
        persister = {PERSISTER} if self.persisted else set[str]()
        changelogs = [keys.sessions(window, partition) for window in sorted({*self.windows, *self.removed})]
        rejected = [keys.rejected()] if partition == 0 else []
        triggers = {TRIGGERS} if self.triggered else set[str]()
        return {
            keys.clicks(partition): {*self.windows, *persister},
            **dict.fromkeys(changelogs, persister | triggers),
            **dict.fromkeys(rejected, persister),
        }

    @property
    def services(self) -> list[str]:
        """The registered readers that are no windows."""
        return [name for name, there in ((PERSISTER, self.persisted), (TRIGGERS, self.triggered)) if there]


async def read_layout(redis: Redis, keys: Keys) -> Layout:
    """Raises InvalidSetting if nothing was ever laid out there."""
    stored = {as_bytes(name).decode(): as_bytes(value).decode() for name, value in (await _fields(redis, keys)).items()}
    if "partitions" not in stored:
        name = f" under the namespace {keys.namespace!r}" if keys.namespace else ""
        raise InvalidSetting(f"there is no Clickloom in this Redis{name}: check REDIS_URL and NAMESPACE")
    known = {field.removeprefix(_WINDOW): text for field, text in stored.items() if field.startswith(_WINDOW)}
    return Layout(
        int(stored["partitions"]),
        windows={window: text for window, text in known.items() if text != _REMOVED},
        removed=frozenset(window for window, text in known.items() if text == _REMOVED),
        persisted=stored.get(PERSISTER) == _REGISTERED,
        triggered=stored.get(TRIGGERS) == _REGISTERED,
    )


async def _fields(redis: Redis, keys: Keys) -> dict[bytes | str, bytes | str]:
    return await redis.hgetall(keys.layout())


async def lay_out(redis_url: str, *, keys: Keys, partitions: int, windows: Sequence[Window], reader: str = "") -> None:
    """Fix partition count and windows, and register every reader; done again it changes nothing.

    reader: PERSISTER or TRIGGERS, if that starts: it is a reader from now on even if it was removed once.

    Raises InvalidSetting if the settings are not those that the streams and the sessions in Redis were made with, or
    Redis evicts; ServerUnavailable if it does not answer.
    """
    try:
        async with open_redis(redis_url) as redis:
            await fix_layout(redis, keys=keys, partitions=partitions)
            for window in windows:
                await _fix_window(redis, keys, window)
            await fix_field(redis, keys, PERSISTER, _REGISTERED)
            if reader:
                await put_field(redis, keys, reader, _REGISTERED)
            await _register(redis, keys)
    except RedisError as error:
        raise ServerUnavailable(f"the Redis of REDIS_URL does not answer: {error}") from error


async def _fix_window(redis: Redis, keys: Keys, window: Window) -> None:
    field, text = f"{_WINDOW}{window.name}", definition(window)
    stored = await fix_field(redis, keys, field, text)
    if stored == _REMOVED:
        await put_field(redis, keys, field, text)
    elif stored != text:
        raise InvalidSetting(
            f"WINDOWS says {window.name} = {text}, but the sessions of {window.name} in this Redis are cut by {stored}:"
            f" set that again, or give the new definition a name of its own"
        )


def definition(window: Window) -> str:
    """The window in the words in which it can be set."""
    if isinstance(window, SessionWindow):
        longest = format_duration(window.max_duration_us)
        return f"session(gap={format_duration(window.gap_us)}, max_duration={longest})"
    return f"stagger(range={format_duration(window.range_us)})"


async def _register(redis: Redis, keys: Keys) -> None:
    layout = await read_layout(redis, keys)
    for number in range(layout.partitions):
        for stream, readers in layout.streams(keys, number).items():
            for reader in readers:
                await register_reader(redis, stream, reader)


async def add_reader(redis: Redis, keys: Keys, name: str) -> None:
    """Let every stream that has readers wait for another one too, which begins at the first entry that is kept.

    Raises InvalidSetting if the name is a window's or the persister's.
    """
    layout = await read_layout(redis, keys)
    if name in {*layout.windows, *layout.removed, PERSISTER}:
        raise InvalidSetting(f"{name!r} is a reader of Clickloom's own: choose another name")
    for number in range(layout.partitions):
        for stream in layout.streams(keys, number):
            await register_reader(redis, stream, name)


async def forget_reader(redis: Redis, keys: Keys, name: str) -> list[str]:
    """Let the streams wait for this reader no more; of a window also forget its sessions that are still open.

    Returns the changelog streams that stay, since the persister has not written all of them yet. Raises InvalidSetting
    if there is no such reader, or it is being served.
    """
    layout = await read_layout(redis, keys)
    if name in layout.windows:
        await _check_unserved(redis, keys, layout, name)
    streams = [stream for number in range(layout.partitions) for stream in layout.streams(keys, number)]
    known = [await remove_reader(redis, stream, name) for stream in streams]
    if not any(known) and name not in {*layout.windows, *layout.removed}:
        readers = sorted({*layout.windows, *layout.services})
        raise InvalidSetting(f"{name!r} reads nothing here; registered are {', '.join(readers)}")
    if name in (PERSISTER, TRIGGERS):
        await put_field(redis, keys, name, _REMOVED)
        return []
    return await _forget_window(redis, keys, layout, name)


async def _check_unserved(redis: Redis, keys: Keys, layout: Layout, window: str) -> None:
    for number in range(layout.partitions):
        if await redis.exists(keys.lease(window, number)):
            raise InvalidSetting(f"{window} is being served: take it out of WINDOWS and restart the sessionizers first")


async def _forget_window(redis: Redis, keys: Keys, layout: Layout, window: str) -> list[str]:
    kept: list[str] = []
    for number in range(layout.partitions):
        await redis.unlink(keys.state(window, number), keys.names(window, number), keys.progress(window, number))
        async for seen in redis.scan_iter(match=keys.seen_pattern(window, number), count=1_000):
            await redis.unlink(seen)
        changelog = keys.sessions(window, number)
        if any(reader.lag != 0 for reader in await readers_of(redis, changelog)):
            kept.append(changelog)
        else:
            await redis.unlink(changelog)
    if kept:
        await put_field(redis, keys, f"{_WINDOW}{window}", _REMOVED)
    else:
        await redis.hdel(keys.layout(), f"{_WINDOW}{window}")
    return kept
