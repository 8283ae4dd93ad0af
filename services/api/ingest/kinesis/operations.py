"""What each operation does."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clickloom.publish import Placed
from clickloom.times import MINUTE_US
from services.api.ingest import sources
from services.api.ingest.events import Sorted, sort_events
from services.api.ingest.intake import Intake
from services.api.ingest.kinesis import requests
from services.api.ingest.kinesis.errors import AwsError
from services.api.ingest.kinesis.shards import description, sequence_number, shard_id, shards
from services.api.ingest.sender import Sender
from services.api.resources import Resources

_REFUSED = "InvalidArgumentException"  # what a record is that is no event

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request that may be answered."""

    resources: Resources
    sender: Sender
    region: str
    body: bytes

    @property
    def partitions(self) -> int:
        return self.resources.partitions

    def described(self, name: str) -> Answer:
        hours = self.resources.stream_retention_us // (60 * MINUTE_US)
        return description(name, self.region, hours)


async def put_record(call: Call) -> Answer:
    given = requests.read(call.body, requests.PutRecord)
    [result] = await _put(call, given, [given.data], dry_run=given.dry_run)
    if "ErrorCode" in result:
        raise AwsError(result["ErrorCode"], result["ErrorMessage"])
    return {**result, "EncryptionType": "NONE"}


async def put_records(call: Call) -> Answer:
    given = requests.read(call.body, requests.PutRecords)
    results = await _put(call, given, [record.data for record in given.records], dry_run=given.dry_run)
    failed = sum("ErrorCode" in result for result in results)
    return {"FailedRecordCount": failed, "Records": results, "EncryptionType": "NONE"}


async def _put(call: Call, stream: requests.Stream, records: Sequence[bytes], *, dry_run: bool) -> list[Answer]:
    """Raises AwsError or Problem."""
    _ = stream.name  # which stream it is does not matter, but one must be named
    if dry_run:
        raise AwsError("DryRunOperationException", "The request is well-formed and permitted; nothing was stored.")
    intake = Intake.of(call.resources, call.sender, source=sources.KINESIS)
    intake.admit(len(records))
    found = sort_events(records, intake.terms)
    return _results(len(records), found, await intake.store(found))


def _results(count: int, found: Sorted, placed: Placed) -> list[Answer]:
    """Of each record, in their order."""
    refused = {rejection.index: rejection for rejection in found.rejected}
    clicks = iter(found.clicks)
    results: list[Answer] = []
    for index in range(count):
        if (rejection := refused.get(index)) is not None:
            results.append({"ErrorCode": _REFUSED, "ErrorMessage": f"{rejection.code}: {rejection.message}"})
        else:
            position = placed.position(next(clicks))
            results.append({"ShardId": shard_id(position.partition), "SequenceNumber": sequence_number(position)})
    return results


async def describe_stream_summary(call: Call) -> Answer:
    told = call.described(requests.read(call.body, requests.Stream).name)
    return {"StreamDescriptionSummary": {**told, "OpenShardCount": call.partitions, "ConsumerCount": 0}}


async def describe_stream(call: Call) -> Answer:
    given = requests.read(call.body, requests.DescribeStream)
    found = shards(call.partitions, after=given.exclusive_start_shard_id)
    more = {"Shards": found[: given.limit], "HasMoreShards": len(found) > given.limit}
    return {"StreamDescription": {**call.described(given.name), **more}}


async def list_shards(call: Call) -> Answer:
    given = requests.read(call.body, requests.ListShards)
    if given.next_token is None:
        _ = given.name
    found = shards(call.partitions, after=given.next_token or given.exclusive_start_shard_id)
    page = found[: given.max_results]
    return {"Shards": page, "NextToken": page[-1]["ShardId"]} if len(found) > len(page) else {"Shards": page}


async def list_streams(call: Call) -> Answer:
    names = requests.read(call.body, requests.ListStreams).names
    kept = ("StreamName", "StreamARN", "StreamStatus", "StreamModeDetails", "StreamCreationTimestamp")
    summaries = [{field: call.described(name)[field] for field in kept} for name in names]
    return {"StreamNames": names, "HasMoreStreams": False, "StreamSummaries": summaries}


OPERATIONS: dict[str, Callable[[Call], Awaitable[Answer]]] = {
    "PutRecord": put_record,
    "PutRecords": put_records,
    "DescribeStreamSummary": describe_stream_summary,
    "DescribeStream": describe_stream,
    "ListShards": list_shards,
    "ListStreams": list_streams,
}
