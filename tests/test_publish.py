"""Where published clicks are."""

from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.publish import BATCH_CLICKS, Publisher
from clickloom.settings import Settings
from tests.clicks import click
from tests.services.api.ingest.streamed import streamed


async def test_every_click_of_many_is_where_the_publisher_says(redis: Redis, keys: Keys, settings: Settings) -> None:
    publisher = Publisher(redis, keys=keys, partitions=settings.partitions)
    count = settings.partitions * BATCH_CLICKS
    clicks = [click(number, user=f"u{number % 7}", event_id=f"e{number}") for number in range(count)]
    placed = await publisher.publish(clicks, arrival_us=1)
    found = {one.event_id: one.position for one in await streamed(redis, settings)}
    assert len(found) == len(clicks)
    assert all(placed.position(one) == found[one.event_id or ""] for one in clicks)
    assert len(placed.entries) > settings.partitions, "more than one entry a partition"
