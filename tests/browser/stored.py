"""Clicks as they lie in the streams."""

from typing import Any

from redis.asyncio import Redis

from clickloom.keys import split_key
from clickloom.settings import Settings
from tests.services.api.ingest.test_native import batches


async def stored(redis: Redis, settings: Settings) -> list[dict[str, Any]]:
    """The clicks in the streams by time."""
    found = []
    for batch in await batches(redis, settings):
        details = dict(batch.details)
        columns = zip(batch.keys, batch.code_column, batch.time_column, batch.event_ids, strict=True)
        for row, (key, code, time_us, event_id) in enumerate(columns):
            told = details.get(row)
            more = {name: getattr(told, name) for name in told.__struct_fields__} if told is not None else {}
            site_id, user_id, device_id = split_key(key)
            who = {"site_id": site_id, "user_id": user_id, "device_id": device_id, "event_id": event_id}
            found.append({**who, **more, "client_event": batch.names[code], "time_us": int(time_us)})
    return sorted(found, key=lambda click: click["time_us"])
