"""The Kinesis endpoint, used by boto3 as it comes from PyPI."""

import asyncio
import json
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError
from httpx import AsyncClient
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from clickloom.connect import open_redis
from clickloom.keys import Keys
from clickloom.memory import parse_amount
from clickloom.publish import Position
from clickloom.settings import Settings
from clickloom.times import now_us
from services.api.ingest.kinesis import requests
from services.api.ingest.kinesis.errors import AwsError
from services.api.ingest.kinesis.shards import sequence_number, shard_id
from services.cli.embedded import embedded_valkey
from services.generator.original import Original
from tests.processes import until
from tests.services.api.conftest import serving
from tests.services.api.ingest.kinesis_client import kinesis
from tests.services.api.ingest.streamed import streamed
from tests.services.api.ingest.test_native import EVENT, rejected
from tests.services.api.ingest.test_segment_clients import refused

DATA = json.dumps(EVENT).encode()
PUT = "Kinesis_20131202.PutRecord"


async def call(client: Any, operation: str, **given: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await asyncio.to_thread(partial(getattr(client, operation), **given))
    return answer


async def error_of(client: Any, operation: str, **given: Any) -> dict[str, Any]:
    """The whole answer that a call ended in."""
    with pytest.raises(ClientError) as caught:
        await call(client, operation, **given)
    return dict(caught.value.response)


def original_events(count: int) -> list[bytes]:
    """As the original's generator put them: four fields, a time without a zone."""
    model = Original(Random(7))
    clicks = (model.click(now_us() - number * 1_000_000) for number in range(count))
    names = ("user_id", "device_id", "client_event", "client_timestamp")
    return [json.dumps({name: getattr(click, name) for name in names}).encode() for click in clicks]


async def test_a_record_is_a_click_and_the_answer_says_where_it_is(
    shop_api: AsyncClient, redis: Redis, settings: Settings
) -> None:
    answer = await call(kinesis(shop_api.base_url), "put_record", StreamName="clicks", Data=DATA, PartitionKey="64")
    [click] = await streamed(redis, settings)
    assert (click.site_id, click.user_id, click.client_event) == ("shop", "64", "beer_vitrine_nav")
    assert answer["ShardId"] == shard_id(click.position.partition)
    assert answer["SequenceNumber"] == sequence_number(click.position)
    assert answer["EncryptionType"] == "NONE"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"] == answer["ResponseMetadata"]["RequestId"]


async def test_the_originals_generator_puts_its_events_unchanged(
    shop_api: AsyncClient, redis: Redis, settings: Settings
) -> None:
    events = original_events(500)
    records = [{"Data": event, "PartitionKey": str(number)} for number, event in enumerate(events)]
    answer = await call(kinesis(shop_api.base_url), "put_records", StreamName="clicks", Records=records)
    assert answer["FailedRecordCount"] == 0
    clicks = {
        (shard_id(click.position.partition), sequence_number(click.position)): click
        for click in await streamed(redis, settings)
    }
    assert len(clicks) == 500
    for event, result in zip(map(json.loads, events), answer["Records"], strict=True):
        click = clicks[result["ShardId"], result["SequenceNumber"]]
        assert (click.user_id, click.client_event) == (str(event["user_id"]), event["client_event"])


async def test_a_bad_record_is_told_and_kept_and_its_neighbours_are_in(
    shop_api: AsyncClient, redis: Redis, settings: Settings, keys: Keys
) -> None:
    bad = [b"", b"no json", b"{}", json.dumps({**EVENT, "client_timestamp": "2071-01-01"}).encode()]
    records = [{"Data": data, "PartitionKey": "a"} for data in (DATA, *bad, DATA)]
    answer = await call(kinesis(shop_api.base_url), "put_records", StreamName="clicks", Records=records)
    assert answer["FailedRecordCount"] == 4
    codes = [result.get("ErrorCode") for result in answer["Records"]]
    assert codes == [None, *["InvalidArgumentException"] * 4, None]
    assert "ahead of the server's clock" in answer["Records"][4]["ErrorMessage"]
    assert len(await streamed(redis, settings)) == 2
    assert [(one.source, one.payload) for one in await rejected(redis, keys)] == [("kinesis", data) for data in bad]


async def test_one_bad_record_by_itself_is_an_error(shop_api: AsyncClient) -> None:
    told = await error_of(kinesis(shop_api.base_url), "put_record", StreamName="a", Data=b"{}", PartitionKey="a")
    assert told["Error"]["Code"] == "InvalidArgumentException"
    assert "required field `user_id`" in told["Error"]["Message"]
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 400


async def test_the_stream_is_described_as_it_is(shop_api: AsyncClient, settings: Settings) -> None:
    client = kinesis(shop_api.base_url)
    summary = (await call(client, "describe_stream_summary", StreamName="any"))["StreamDescriptionSummary"]
    assert (summary["StreamName"], summary["StreamStatus"], summary["OpenShardCount"]) == ("any", "ACTIVE", 4)
    by_arn = await call(client, "describe_stream_summary", StreamARN=summary["StreamARN"])
    assert by_arn["StreamDescriptionSummary"]["StreamName"] == "any"
    shards = (await call(client, "list_shards", StreamName="any"))["Shards"]
    assert [shard["ShardId"] for shard in shards] == [shard_id(number) for number in range(4)]
    ranges = [shard["HashKeyRange"] for shard in shards]
    assert (ranges[0]["StartingHashKey"], ranges[-1]["EndingHashKey"]) == ("0", str(2**128 - 1))
    assert all(int(a["EndingHashKey"]) + 1 == int(b["StartingHashKey"]) for a, b in pairwise(ranges))
    assert (await call(client, "list_streams"))["StreamNames"] == ["clickloom"]
    await asyncio.to_thread(client.get_waiter("stream_exists").wait, StreamName="any")


async def test_shards_come_page_by_page(shop_api: AsyncClient) -> None:
    client = kinesis(shop_api.base_url)
    first = await call(client, "list_shards", StreamName="any", MaxResults=3)
    rest = await call(client, "list_shards", NextToken=first["NextToken"])
    assert [shard["ShardId"][-1] for shard in first["Shards"] + rest["Shards"]] == list("0123")
    assert "NextToken" not in rest
    described = (await call(client, "describe_stream", StreamName="any", Limit=3))["StreamDescription"]
    assert described["HasMoreShards"]
    pages = client.get_paginator("describe_stream").paginate(StreamName="any", PaginationConfig={"PageSize": 3})
    assert len(await asyncio.to_thread(pages.build_full_result)) > 0


async def test_a_dry_run_stores_nothing(shop_api: AsyncClient, redis: Redis, settings: Settings) -> None:
    given = {"StreamName": "a", "Data": DATA, "PartitionKey": "a", "DryRun": True}
    told = await error_of(kinesis(shop_api.base_url), "put_record", **given)
    assert told["Error"]["Code"] == "DryRunOperationException"
    assert await streamed(redis, settings) == []


async def test_what_is_not_there_is_said(shop_api: AsyncClient) -> None:
    client = kinesis(shop_api.base_url)
    given = {"StreamName": "a", "ShardId": "shardId-0", "ShardIteratorType": "LATEST"}
    told = await error_of(client, "get_shard_iterator", **given)
    assert told["Error"]["Code"] == "UnknownOperationException"
    assert "PutRecords" in told["Error"]["Message"]


async def test_boto3_sends_again_until_redis_has_room(locked_settings: Settings, store_folder: Path) -> None:
    with embedded_valkey(store_folder, {"save": ""}) as url:
        settings = locked_settings.model_copy(update={"redis_url": url, "redis_high_water": parse_amount("1000GB")})
        async with serving(settings) as api, open_redis(url) as redis:
            await redis.config_set("maxmemory", "1")
            client = kinesis(api.base_url, retries={"mode": "standard", "total_max_attempts": 10})
            given = {"StreamName": "a", "Data": DATA, "PartitionKey": "a"}
            putting = asyncio.create_task(call(client, "put_record", **given))
            await until(lambda: refused(redis, times=2))
            await redis.config_set("maxmemory", "0")
            assert (await putting)["ResponseMetadata"]["RetryAttempts"] >= 1
            assert len(await streamed(redis, settings)) == 1


async def test_a_full_redis_is_a_throughput_exceeded(locked_settings: Settings) -> None:
    full = locked_settings.model_copy(update={"redis_high_water": parse_amount("1kB")})
    async with serving(full) as api:
        client = kinesis(api.base_url, retries={"total_max_attempts": 1})
        given = {"StreamName": "a", "Data": DATA, "PartitionKey": "a"}

        async def closed() -> bool:
            return "REDIS_HIGH_WATER" in (await api.get("/readyz")).text

        await until(closed)
        told = await error_of(client, "put_record", **given)
        assert told["Error"]["Code"] == "ProvisionedThroughputExceededException"
        assert "REDIS_HIGH_WATER" in told["Error"]["Message"]


async def test_who_puts_too_much_is_throttled(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"rate_limit_address": "2/1h"})) as api:
        client = kinesis(api.base_url, retries={"total_max_attempts": 1})
        records = [{"Data": DATA, "PartitionKey": "a"}] * 3
        told = await error_of(client, "put_records", StreamName="a", Records=records)
        assert told["Error"]["Code"] == "ProvisionedThroughputExceededException"


WRONG = {
    "no json": (b"{", "SerializationException"),
    "no body": (b"", "ValidationException"),
    "no data": (b'{"StreamName":"a","PartitionKey":"a"}', "ValidationException"),
    "no stream": (b'{"Data":"","PartitionKey":"a"}', "ValidationException"),
    "a stream that is none": (b'{"StreamName":"a b","Data":"","PartitionKey":"a"}', "ValidationException"),
    "no base64": (b'{"StreamName":"a","Data":"%","PartitionKey":"a"}', "ValidationException"),
    "no object": (b"[]", "ValidationException"),
    "deep": (b'{"a":' * 100_000, "SerializationException"),
    "no text": (b'{"StreamName":"\xff"}', "SerializationException"),
}


@pytest.mark.parametrize(("body", "code"), WRONG.values(), ids=WRONG)
async def test_a_body_that_is_wrong_is_an_error_as_aws_has_them(api: AsyncClient, body: bytes, code: str) -> None:
    answer = await api.post("/kinesis", content=body, headers={"x-amz-target": PUT})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/x-amz-json-1.1")
    assert answer.json()["__type"] == code
    assert answer.json()["message"]
    assert answer.headers["x-amzn-requestid"]


async def test_what_cannot_be_read_is_said_with_the_remedy(api: AsyncClient) -> None:
    cbor = {"x-amz-target": PUT, "content-type": "application/x-amz-cbor-1.1"}
    assert "AWS_CBOR_DISABLE" in (await api.post("/kinesis", content=b"\xa0", headers=cbor)).json()["message"]
    assert (await api.post("/kinesis")).json()["__type"] == "UnknownOperationException"
    large = await api.post("/kinesis", content=b" " * 8_000_000, headers={"x-amz-target": PUT})
    assert (large.status_code, large.json()["__type"]) == (400, "ValidationException")
    packed = {"x-amz-target": PUT, "content-encoding": "br"}
    assert "send gzip" in (await api.post("/kinesis", content=b"a", headers=packed)).json()["message"]


async def test_without_keys_asked_for_no_signature_is_looked_at(
    api: AsyncClient, redis: Redis, settings: Settings
) -> None:
    client = kinesis(api.base_url, secret="whatever")
    await call(client, "put_record", StreamName="a", Data=DATA, PartitionKey="a")
    [click] = await streamed(redis, settings)
    assert click.site_id == "default"


_positions = st.builds(
    Position, st.just(0), st.tuples(st.integers(1, 10**13 - 1), st.integers(0, 2**64 - 1)), st.integers(0, 65_535)
)


@given(_positions, _positions)
def test_sequence_numbers_are_in_the_order_of_the_stream(one: Position, other: Position) -> None:
    numbers = int(sequence_number(one)), int(sequence_number(other))
    assert (numbers[0] < numbers[1]) == ((one.entry, one.row) < (other.entry, other.row))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["StreamName", "StreamARN", "Data", "PartitionKey", "Records", "a"]), inner)
    ),
    max_leaves=10,
)


@hypothesis_settings(deadline=None)
@given(st.binary(max_size=50) | _json.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_is_an_error_of_the_clients(body: bytes) -> None:
    for kind in (
        requests.PutRecord,
        requests.PutRecords,
        requests.ListShards,
        requests.DescribeStream,
        requests.Stream,
    ):
        try:
            requests.read(body, kind)
        except AwsError as error:
            told = (error.status, error.code)
        else:
            continue
        assert told in ((400, "ValidationException"), (400, "SerializationException"))
