"""The access keys, as this process knows them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.access import AccessKey, id_of
from clickloom.access_table import read_keys
from services.api.problems import Problem

log = structlog.get_logger()

LOOK_S = 2.0


class AccessKeys:
    """The keys as this process last saw them in Postgres; without any, while AUTH is off, everything is open."""

    def __init__(self, *, off: bool) -> None:
        self.off = off
        self._keys: dict[str, AccessKey] | None = None  # None: never seen

    def find(self, text: str) -> AccessKey | None:
        """The key that the text is. Raises Problem if the keys are not known yet."""
        key = self._known().get(id_of(text))
        return key if key is not None and key.opened_by(text) else None

    def with_id(self, key_id: str) -> AccessKey | None:
        """The key of that id, if it still opens anything. Raises Problem if the keys are not known yet."""
        return self._known().get(key_id)

    def write_key_for(self, origin: str) -> str | None:
        """The text of the oldest write key that pages of that origin may send with."""
        keys = [key for key in self._known().values() if key.kind == "write" and key.allows_origin(origin)]
        return keys[0].text if keys else None

    def any_allows_origin(self, origin: str) -> bool:
        """Whether a page of that origin may send events at all."""
        keys = () if self._keys is None else self._keys.values()
        return self.off or any(key.kind == "write" and key.allows_origin(origin) for key in keys)

    def _known(self) -> dict[str, AccessKey]:
        if self._keys is None:
            raise Problem(503, "the keys are in PostgreSQL, which has not answered yet", headers={"Retry-After": "1"})
        return self._keys

    @contextlib.asynccontextmanager
    async def watched(self, engine: AsyncEngine) -> AsyncIterator[None]:
        """Read them again and again as long as the block lasts; while Postgres is away what was read last holds."""
        if self.off:
            yield
            return
        await self._look(engine)
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch(engine))
            try:
                yield
            finally:
                watch.cancel()

    async def _watch(self, engine: AsyncEngine) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._look(engine)

    async def _look(self, engine: AsyncEngine) -> None:
        try:
            self._keys = {key.key_id: key for key in await read_keys(engine)}
        except (SQLAlchemyError, OSError) as error:
            log.warning("keys.unread", reason=str(error).splitlines()[0])


def unknown_key(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
