"""Where a page ends: the position of its last row, given back as an opaque cursor.

A cursor is of one question: with another order or other filters its position would say something else. Pure.
"""

import base64
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import Request

from services.api.problems import wrong_parameter

LONGEST_CURSOR = 1_024  # characters

T = TypeVar("T")


def digest_of(question: Mapping[str, Any]) -> str:
    """Of all that says which rows there are, and in which order."""
    return blake2b(msgspec.json.encode(sorted(question.items())), digest_size=6).hexdigest()


def write_cursor(question: str, position: Any) -> str:
    """question: its digest; position: a tuple or a struct."""
    return base64.urlsafe_b64encode(msgspec.json.encode((question, position))).decode()


def read_cursor(cursor: str, question: str, kind: type[T]) -> T:
    """The position. Raises Problem if the cursor is none of ours, or of another question."""
    try:
        asked, found = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[str, msgspec.Raw])
        if asked == question:
            return msgspec.json.decode(found, type=kind)
    except (ValueError, msgspec.MsgspecError) as error:
        told = "not one of ours; give `next_cursor` of the page before, as it is"
        raise wrong_parameter("cursor", told) from error
    raise wrong_parameter("cursor", "of another question: give it with the filters and the order of the page before")


def next_link(request: Request, cursor: str | None) -> dict[str, str]:
    """The header that names the next page (RFC 8288); none on the last."""
    if cursor is None:
        return {}
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return {"Link": f'<{request.url.path}?{urlencode([*asked, ("cursor", cursor)])}>; rel="next"'}
