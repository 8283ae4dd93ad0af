"""The same services on a cluster of three nodes."""

from pathlib import Path

from redis.asyncio import RedisCluster

from clickloom.connect import open_redis
from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.status.reading import read_status
from services.cli.ledger import read
from tests.cluster import cluster
from tests.conftest import Select
from tests.flow import BUSY, Flow, clicks_of_a_day, serving
from tests.processes import PATIENCE_S, Start, until


async def test_sessionizers_and_persister_are_exact_on_a_cluster(
    start: Start, settings: Settings, keys: Keys, select: Select, tmp_path: Path
) -> None:
    async with cluster(tmp_path) as url, open_redis(url) as redis:
        assert isinstance(redis, RedisCluster)
        flow = Flow(redis, keys, settings, clicks_of_a_day(2_000))
        first, _ = await serving(start, flow, 2, REDIS_URL=url)
        async with flow.running(seconds=3):
            first.kill()
        await flow.becomes_exact()
        owners = {redis.get_node_from_key(keys.clicks(number)).name for number in range(settings.partitions)}
        assert len(owners) > 1

        start("persister", **{**BUSY, "REDIS_URL": url})
        there = settings.model_copy(update={"redis_url": url})

        async def written() -> bool:
            return all(row.lag == 0 for row in (await read_status(redis, there)).readers)

        await until(written, what="all to be written")
        assert select("SELECT count(*) FROM clicks") == [(2_000,)]
        ledger = await read(there, None, None, window=None, site_id=None, wait_s=PATIENCE_S)
        assert (ledger.settled, ledger.balanced, ledger.received) == (True, True, 2_000)
