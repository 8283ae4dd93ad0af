"""What ingest has put into the streams, click by click."""

from dataclasses import dataclass

from redis.asyncio import Redis

from clickloom.click import Details
from clickloom.keys import Keys, split_key
from clickloom.publish import Position
from clickloom.settings import Settings
from clickloom.streams import START, read_stream, split_id
from clickloom.wire import FIELD, decode_batch


@dataclass(frozen=True)
class Streamed:
    """One click."""

    site_id: str
    user_id: str
    device_id: str
    client_event: str
    event_id: str
    time_us: int
    arrival_us: int
    is_bot: bool
    details: Details
    position: Position


async def streamed(redis: Redis, settings: Settings) -> list[Streamed]:
    """All clicks, by their time."""
    found: list[Streamed] = []
    for partition in range(settings.partitions):
        stream = Keys(settings.namespace).clicks(partition)
        for entry_id, fields in await read_stream(redis, stream, START, count=10_000, block_ms=None):
            batch, details = decode_batch(fields[FIELD]), dict[int, Details]()
            details.update(batch.details)
            for row, key in enumerate(batch.keys):
                found.append(
                    Streamed(
                        *split_key(key),
                        batch.names[batch.code_column[row]],
                        batch.event_ids[row],
                        int(batch.time_column[row]),
                        batch.arrival_us,
                        row in batch.bots,
                        details.get(row, Details()),
                        Position(partition, split_id(entry_id.decode()), row),
                    )
                )
    return sorted(found, key=lambda click: click.time_us)
