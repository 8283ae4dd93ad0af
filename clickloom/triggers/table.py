"""Triggers in Postgres."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.triggers.trigger import Trigger

COLUMNS = 'trigger_id, name, sites, "window", "on", conditions, url, secret, enabled, trouble, created_at, enabled_at'


async def keep_trigger(engine: AsyncEngine, trigger: Trigger) -> None:
    await _change(engine, _INSERT, _values(trigger))


_INSERT = f"""
INSERT INTO triggers ({COLUMNS}) VALUES (:trigger_id, :name, :sites, :window, :on, :conditions, :url, :secret,
    :enabled, :trouble, :created_at, :enabled_at)
"""


def _values(trigger: Trigger) -> dict[str, Any]:
    values = {name: getattr(trigger, name) for name in Trigger.__dataclass_fields__}
    conditions = trigger.conditions.model_dump(exclude_none=True)
    return {**values, "sites": list(trigger.sites), "conditions": Jsonb(conditions)}


async def read_triggers(engine: AsyncEngine) -> list[Trigger]:
    """All of them, the oldest first."""
    async with engine.connect() as connection:
        found = await connection.execute(text(f"SELECT {COLUMNS} FROM triggers ORDER BY created_at, trigger_id"))
        return [Trigger.of(dict(row)) for row in found.mappings()]


async def find_trigger(engine: AsyncEngine, trigger_id: UUID) -> Trigger | None:
    async with engine.connect() as connection:
        found = await connection.execute(
            text(f"SELECT {COLUMNS} FROM triggers WHERE trigger_id = :id"), {"id": trigger_id}
        )
        row = found.mappings().first()
    return None if row is None else Trigger.of(dict(row))


async def change_trigger(engine: AsyncEngine, trigger: Trigger) -> bool:
    """Put the trigger in place of the one of its id; whether there was one."""
    return await _change(engine, _UPDATE, _values(trigger)) > 0


_UPDATE = """
UPDATE triggers SET name = :name, conditions = :conditions, url = :url, enabled = :enabled, trouble = :trouble,
    enabled_at = :enabled_at
WHERE trigger_id = :trigger_id
"""


async def delete_trigger(engine: AsyncEngine, trigger_id: UUID) -> bool:
    """With all that it has fired, also what is not delivered; whether there was one."""
    return await _change(engine, "DELETE FROM triggers WHERE trigger_id = :id", {"id": trigger_id}) > 0


async def _change(engine: AsyncEngine, statement: str, values: Mapping[str, Any]) -> int:
    async with engine.begin() as connection:
        return (await connection.execute(text(statement), values)).rowcount
