"""Where the lake's files lie: a folder, or a bucket of S3. A file is there whole or not at all."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import mkstemp
from typing import Any, BinaryIO, Protocol, cast
from urllib.parse import unquote, urlsplit

from clickloom.errors import InvalidSetting, ServerUnavailable

PART_BYTES = 8 * 2**20  # of an upload; S3 takes up to 10,000 of them for an object
PARTS_AT_ONCE = 4
REQUEST_WITHIN = timedelta(seconds=60)


class Place(Protocol):
    """Paths are relative, with `/`. Raises ServerUnavailable if the place cannot be written, or read."""

    url: str

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """A file to write. It takes its place, and that of one before it, when the block ends; not if it raises."""
        ...

    def empty(self, folder: str) -> bool:
        """Whether no file lies under the folder."""
        ...


def place_of(url: str) -> Place:
    """A folder's path, file:///… or s3://bucket/prefix. Raises InvalidSetting for anything else."""
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc and "@" not in parts.netloc and not parts.query and not parts.fragment:
        return Bucket(parts.netloc, unquote(parts.path).strip("/"))
    if parts.scheme == "file" and not parts.netloc and parts.path:
        return Folder(Path(unquote(parts.path)))
    if "://" not in url and url:
        return Folder(Path(url))
    shown = f"{parts.scheme}://…" if "@" in parts.netloc else repr(url)  # it may hold a secret
    raise InvalidSetting(
        f"{shown} is no place for files: give a folder, or s3://bucket/prefix (credentials and endpoint are those of"
        " the AWS tools: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL)"
    )


class Folder:
    """On this machine. A file is written beside its place under a hidden name, made durable, and renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self.url = str(self._folder)

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        target = self._folder / path
        try:
            with self._written(target) as file:
                yield file
        except OSError as error:
            raise ServerUnavailable(f"{error.filename or target} cannot be written: {error.strerror}") from error

    @contextmanager
    def _written(self, target: Path) -> Iterator[BinaryIO]:
        target.parent.mkdir(parents=True, exist_ok=True)
        # What a killed process has left. Is another one still at it, its rename fails, and it begins anew.
        for left in target.parent.glob(f".{target.name}.*.part"):
            left.unlink(missing_ok=True)
        descriptor, name = mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o666 & ~_umask())
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)

    def empty(self, folder: str) -> bool:
        try:
            return not any(found.is_file() for found in (self._folder / folder).rglob("*"))
        except OSError as error:
            raise ServerUnavailable(f"{error.filename} cannot be read: {error.strerror}") from error


def _umask() -> int:
    """There is no way to ask for it but to set it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Bucket:
    """Of S3, or of what speaks as S3 does. An object appears when its upload is complete; an error takes it back."""

    def __init__(self, bucket: str, prefix: str) -> None:
        from obstore.store import S3Store  # not before it is needed: it takes time to load

        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            client_options={"allow_http": True, "connect_timeout": timedelta(seconds=5), "timeout": REQUEST_WITHIN},
            retry_config={"max_retries": 3, "retry_timeout": REQUEST_WITHIN},
        )

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        import obstore

        with self._told():
            writer = obstore.open_writer(self._store, path, buffer_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
            with writer:  # which takes the upload back if the block raises
                yield cast("BinaryIO", _Upload(writer.write))

    def empty(self, folder: str) -> bool:
        import obstore

        with self._told():
            return not any(obstore.list(self._store, prefix=folder, chunk_size=1))

    @contextmanager
    def _told(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            raise ServerUnavailable(f"{self.url} cannot be reached: {_reason(str(error))}") from error


class _Upload(io.RawIOBase):
    """An upload as a file, as Arrow wants one. Closing it does not complete the upload."""

    def __init__(self, write: Callable[[bytes], int]) -> None:
        self._write = write
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, some: Any) -> int:
        count = memoryview(some).nbytes
        self._write(bytes(some))
        self._written += count
        return count


def _reason(text: str) -> str:
    """The first line of obstore's, of which the rest is its structures; what S3 says, if it says a code."""
    if "<Code>NoSuchBucket</Code>" in text:
        return "there is no such bucket; make it, or check AWS_ENDPOINT_URL"
    if "169.254.169.254" in text or "metadata" in text.lower():
        return "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    code = text.partition("<Code>")[2].partition("</Code>")[0]
    return code or " ".join(text.partition("\n\nDebug source")[0].split())
