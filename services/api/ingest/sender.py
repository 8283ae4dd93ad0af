"""Who sends: by which key, from where, how much."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request

from services.api.access import unknown_key
from services.api.problems import Problem, documented
from services.api.resources import Resources

_NEEDED = "this needs a write key: Authorization: Bearer clw_…, or ?key=clw_…; `clickloom keys create` makes one"
MAX_USER_AGENT = 1024
REFUSALS = {
    **documented(401, _NEEDED),
    **documented(403, "this key is not for pages of https://other.example"),
    **documented(429, "more than 6,000 events in 1m from this address; wait 4 s"),
}
SECURITY: list[dict[str, list[str]]] = [{"write key": []}]
SCHEME = {"write key": {"type": "http", "scheme": "bearer", "description": "`clickloom keys create write` makes one"}}


@dataclass(frozen=True, slots=True)
class Sender:
    """Of one request."""

    key_id: str | None  # None while AUTH is off
    site_id: str | None  # that the key binds
    address: str
    user_agent: str | None = None  # of the visitor: a page's request has it, a server's its own program's


def sender_of(resources: Resources, request: Request, text: str | None = None, *, origin: str | None = None) -> Sender:
    """The sender, by the key in `text`, or else in a header or the address. Raises Problem: 401, 403 or 503.

    origin: of the page, if the browser does not say it in the header that is for that.
    """
    address = address_of(request)
    origin = request.headers.get("origin", origin)
    user_agent = None if origin is None else request.headers.get("user-agent", "")[:MAX_USER_AGENT]
    if resources.access.off:
        return Sender(None, None, address, user_agent)
    text = text or key_text(request.headers, request.query_params)
    if text is None:
        raise unknown_key(_NEEDED)
    key = resources.access.find(text)
    if key is None:
        raise unknown_key("this key is not known, or was revoked")
    if key.kind != "write":
        raise Problem(403, "a read key cannot send events, and has no place in a page; send with a write key")
    if origin is not None and not key.allows_origin(origin):
        raise Problem(403, f"this key is not for pages of {origin}; it is for {', '.join(key.origins)}")
    return Sender(key.key_id, key.sites[0], address, user_agent)


def address_of(request: Request) -> str:
    """Of the sender; empty for one on a socket without any."""
    return request.client.host if request.client else ""


def key_text(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """A bearer token, the user of basic authentication, or `?key=`, which a beacon can send."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return query.get("key")
