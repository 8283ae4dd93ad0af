"""Access keys: what a request may do. Pure but for making one.

A key reads `clw_…` or `clr_…`: its kind, eight characters by which it is found, and the rest. A write key stands in a
page for all to see; it names the site, and the origins of the pages that may use it. A read key is a secret: only its
digest is kept, and it is shown once. The rest of either is 128 random bits, which no slow digest need protect.
"""

import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal, get_args

Kind = Literal["write", "read"]
Scope = Literal["read", "admin"]  # questions and live numbers; erasing persons and managing triggers besides
SCOPES: tuple[Scope, ...] = get_args(Scope)

_PREFIXES: dict[Kind, str] = {"write": "clw_", "read": "clr_"}
_ID_CHARS = 8
_PREFIX_CHARS = 4


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key as it is kept."""

    key_id: str  # the first characters of the text
    kind: Kind
    name: str  # for people
    sites: tuple[str, ...]  # of a write key exactly one; of a read key none means all
    origins: tuple[str, ...]  # of pages that may use a write key; none means any
    scopes: tuple[Scope, ...]  # of a read key
    digest: bytes
    text: str | None  # only of a write key
    created_at: datetime

    def opened_by(self, text: str) -> bool:
        """Whether the text is this key; takes as long for any text."""
        return hmac.compare_digest(self.digest, digest_of(text))

    def allows_origin(self, origin: str) -> bool:
        return not self.origins or origin in self.origins

    def allows_site(self, site_id: str) -> bool:
        return not self.sites or site_id in self.sites


def new_text(kind: Kind) -> str:
    """A new key's text."""
    return _PREFIXES[kind] + secrets.token_hex(_ID_CHARS // 2) + secrets.token_hex(16)


def id_of(text: str) -> str:
    """By which a key is found, whatever is behind it."""
    return text[: _PREFIX_CHARS + _ID_CHARS]


def digest_of(text: str) -> bytes:
    return sha256(text.encode()).digest()


def make_key(
    kind: Kind,
    *,
    name: str,
    sites: Collection[str],
    origins: Collection[str],
    scopes: Collection[Scope],
    created_at: datetime,
) -> tuple[str, AccessKey]:
    """A new key: its text, and as it is kept."""
    text = new_text(kind)
    shown = text if kind == "write" else None
    who = (id_of(text), kind, name, tuple(sites), tuple(origins), tuple(scopes))
    return text, AccessKey(*who, digest_of(text), shown, created_at)
