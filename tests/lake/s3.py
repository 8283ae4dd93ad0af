"""A server that speaks as S3 does, as a process on loopback."""

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import obstore
from obstore.store import S3Store

from tests.processes import Process

BUCKET = "lake"
SECRET = "the-secret-of-the-tests"


class S3:
    """One server; `environment` is how the AWS tools, and Clickloom, find it."""

    def __init__(self, process: Process, url: str) -> None:
        self.process = process
        self.environment = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "analyst",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "eu-central-1",
        }
        self._store = S3Store(
            BUCKET,
            endpoint=url,
            access_key_id="analyst",
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def names(self) -> list[str]:
        return [found["path"] for some in obstore.list(self._store) for found in some]

    def fetch(self, folder: Path) -> None:
        """Copy all objects into the folder."""
        for name in self.names():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(obstore.get(self._store, name).bytes())


@asynccontextmanager
async def serving_s3(folder: Path, *, port: int = 0, bucket: bool = True) -> AsyncIterator[S3]:
    """Until the block ends; with a bucket, if it is to have one."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = Process(command, environment={"PYTHONUNBUFFERED": "1"}, log=folder / f"s3-{port}.log")
    try:
        found = re.search(r"http://[\d.:]+", await process.logged("Running on"))
        assert found is not None
        if bucket:
            async with httpx.AsyncClient(trust_env=False) as client:
                (await client.put(f"{found[0]}/{BUCKET}")).raise_for_status()
        yield S3(process, found[0])
    finally:
        process.end()
