"""The stream as Kinesis would describe it: a shard is a partition, a sequence number a click's position. Pure."""

from collections.abc import Sequence
from typing import Any

from clickloom.publish import Position

NAME = "clickloom"

_ACCOUNT = "000000000000"
_HASHES = 2**128
_FIRST = "0"
_UNKNOWN_TIME = 0  # nobody keeps when a Redis was first used


def shard_id(partition: int) -> str:
    return f"shardId-{partition:012}"


def sequence_number(position: Position) -> str:
    """Greater for each later click of a shard. Its digits from the right: 5 of the row in the record batch, 20 of the
    entry's sequence, and the entry's milliseconds."""
    milliseconds, sequence = position.entry
    return f"{milliseconds}{sequence:020}{position.row:05}"


def arn(name: str, region: str) -> str:
    return f"arn:aws:kinesis:{region}:{_ACCOUNT}:stream/{name}"


def shards(partitions: int, *, after: str | None = None) -> Sequence[dict[str, Any]]:
    """Those after the one with that id. Their ranges of hashes are even; where a click goes its visitor decides."""
    found = [_shard(partition, partitions) for partition in range(partitions)]
    return [shard for shard in found if after is None or shard["ShardId"] > after]


def _shard(partition: int, partitions: int) -> dict[str, Any]:
    start, end = (_HASHES * number // partitions for number in (partition, partition + 1))
    return {
        "ShardId": shard_id(partition),
        "HashKeyRange": {"StartingHashKey": str(start), "EndingHashKey": str(end - 1)},
        "SequenceNumberRange": {"StartingSequenceNumber": _FIRST},
    }


def description(name: str, region: str, retention_hours: int) -> dict[str, Any]:
    """What a stream's summary and its whole description have in common."""
    return {
        "StreamName": name,
        "StreamARN": arn(name, region),
        "StreamStatus": "ACTIVE",
        "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        "RetentionPeriodHours": retention_hours,
        "StreamCreationTimestamp": _UNKNOWN_TIME,
        "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
        "EncryptionType": "NONE",
    }
