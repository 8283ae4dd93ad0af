"""Files of the package as a browser gets them: packed once, known by a hash of what is in them."""

import gzip
from hashlib import sha256
from importlib.resources.abc import Traversable
from typing import NamedTuple

from fastapi import Request
from fastapi.responses import Response

MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class ServedFile(NamedTuple):
    """What is served, made once."""

    plain: bytes
    packed: bytes
    etag: str
    media_type: str


def made_of(plain: bytes, media_type: str) -> ServedFile:
    etag = f'W/"{sha256(plain).hexdigest()[:16]}"'
    return ServedFile(plain, gzip.compress(plain, mtime=0), etag, media_type)


def read_file(file: Traversable) -> ServedFile:
    """Raises KeyError for a file of a kind that is not served."""
    return made_of(file.read_bytes(), MEDIA_TYPES[f".{file.name.rpartition('.')[2]}"])


def file_response(request: Request, file: ServedFile, headers: dict[str, str]) -> Response:
    """The file, or 304 if the browser has it. `headers` say how long it may be kept."""
    headers = {**headers, "ETag": file.etag, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    if _has_it(file, request.headers.get("if-none-match", "")):
        return Response(None, 304, headers)
    if _takes_gzip(request.headers.get("accept-encoding", "")):
        return Response(file.packed, 200, headers | {"Content-Encoding": "gzip"}, file.media_type)
    return Response(file.plain, 200, headers, file.media_type)


def _has_it(file: ServedFile, if_none_match: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return file.etag.removeprefix("W/") in tags or tags == ["*"]


def _takes_gzip(accept_encoding: str) -> bool:
    """Whether it is among the codings, and not as `gzip;q=0`."""
    for coding in accept_encoding.lower().split(","):
        name, _, quality = coding.replace(" ", "").partition(";q=")
        if name in ("gzip", "*"):
            return quality.rstrip("0.") != "" or not quality
    return False
