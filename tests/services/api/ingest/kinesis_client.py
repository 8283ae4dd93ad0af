"""boto3, with nothing but the endpoint set."""

from typing import Any

import boto3
from botocore.config import Config

from tests.services.api.ingest.conftest import ACCESS_KEY, SECRET


def kinesis(url: object, *, access_key: str = ACCESS_KEY, secret: str = SECRET, **config: Any) -> Any:
    """A client of AWS' Kinesis."""
    return boto3.client(
        "kinesis",
        endpoint_url=f"{str(url).rstrip('/')}/kinesis",
        region_name="eu-central-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=Config(**config) if config else None,
    )
