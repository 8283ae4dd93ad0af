"""What the operations are given. Pure."""

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from services.api.ingest.kinesis.errors import AwsError
from services.api.ingest.kinesis.shards import NAME

MAX_RECORDS = 500

Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.-]{1,128}$")]
Arn = Annotated[str, Meta(pattern=r"^arn:[^:]*:kinesis:[^:]*:[0-9]{12}:stream/[a-zA-Z0-9_.-]{1,128}$")]
PartitionKey = Annotated[str, Meta(min_length=1, max_length=256)]  # asked for, and not used
Limit = Annotated[int, Meta(ge=1, le=10_000)]


class Stream(msgspec.Struct, rename="pascal", kw_only=True):
    """Any name is the one stream that there is."""

    stream_name: Name | None = None
    stream_arn: Arn | None = msgspec.field(name="StreamARN", default=None)

    @property
    def name(self) -> str:
        """Raises AwsError."""
        name = self.stream_name or (self.stream_arn or "").rpartition("/")[2]
        if not name:
            raise AwsError("ValidationException", "StreamName or StreamARN must be given.")
        return name


class Record(msgspec.Struct, rename="pascal", kw_only=True):
    data: bytes  # in base64; one event
    partition_key: PartitionKey


class PutRecord(Stream, kw_only=True, rename="pascal"):
    data: bytes
    partition_key: PartitionKey
    dry_run: bool = False


class PutRecords(Stream, kw_only=True, rename="pascal"):
    records: Annotated[list[Record], Meta(min_length=1, max_length=MAX_RECORDS)]
    dry_run: bool = False


class ListShards(Stream, kw_only=True, rename="pascal"):
    next_token: str | None = None  # with it comes no stream's name
    exclusive_start_shard_id: str | None = None
    max_results: Limit = 1_000


class DescribeStream(Stream, kw_only=True, rename="pascal"):
    exclusive_start_shard_id: str | None = None
    limit: Limit = 100


class ListStreams(msgspec.Struct, kw_only=True, rename="pascal"):
    exclusive_start_stream_name: str = ""

    @property
    def names(self) -> list[str]:
        return [NAME] if self.exclusive_start_stream_name < NAME else []


T = TypeVar("T")


def read(body: bytes, kind: type[T]) -> T:
    """Raises AwsError."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise AwsError("ValidationException", str(error).replace("`$.", "`")) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AwsError("SerializationException", f"the body is no JSON: {error}") from error
