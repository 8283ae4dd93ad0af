"""Access keys in Postgres."""

from datetime import datetime

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.access import AccessKey
from clickloom.tables import access_keys


async def read_keys(engine: AsyncEngine) -> list[AccessKey]:
    """Every key that opens something, the oldest first."""
    query = select(access_keys).where(access_keys.c.revoked_at.is_(None)).order_by(access_keys.c.created_at)
    async with engine.connect() as connection:
        return [_key(row) for row in (await connection.execute(query)).mappings()]


def _key(row: RowMapping) -> AccessKey:
    sites, origins, scopes = (tuple(row[name]) for name in ("sites", "origins", "scopes"))
    who = (row["key_id"], row["kind"], row["name"], sites, origins, scopes)
    return AccessKey(*who, row["digest"], row["text"], row["created_at"])


async def keep_key(engine: AsyncEngine, key: AccessKey) -> None:
    values = {column.name: getattr(key, column.name) for column in access_keys.columns if column.name != "revoked_at"}
    async with engine.begin() as connection:
        await connection.execute(insert(access_keys).values(values))


async def revoke_key(engine: AsyncEngine, key_id: str, revoked_at: datetime) -> bool:
    """Whether there was such a key."""
    known = access_keys.c.key_id == key_id, access_keys.c.revoked_at.is_(None)
    async with engine.begin() as connection:
        found = await connection.execute(update(access_keys).where(*known).values(revoked_at=revoked_at))
    return found.rowcount > 0
