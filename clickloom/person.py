"""A person in what is kept of them: in a rejected event's payload, and as the hash that says that they were erased."""

import json
import re
import secrets
from hashlib import scrypt
from hmac import compare_digest

from clickloom.keys import SEPARATOR, Person

_FIELD = "(?:user_id|userId|anonymousId|previousId)"  # ours, and those of Segment's messages
_COSTS = {"n": 2**14, "r": 8, "p": 1}  # some tens of milliseconds: ids are few, and could all be tried


def mentions(payload: bytes, user_id: str) -> bool:
    """Whether a rejected event's payload tells of the user: as a `user_id`, or as who a message of Segment's is of,
    also where it is no JSON or cut short; or, in a row or an entry of our own, as a value."""
    text = payload.decode(errors="replace")
    forms = {user_id, *(json.dumps(user_id, ensure_ascii=plain)[1:-1] for plain in (True, False))}
    value = f"(?:{'|'.join(map(re.escape, forms))})"
    named = rf"""["']{_FIELD}["']\s*:\s*(?:"{value}"|'{value}'|{value}(?=[\s,}}\]]|$))"""
    return re.search(rf"""{named}|'{value}'|{SEPARATOR}{value}{SEPARATOR}""", text) is not None


def probe(user_id: str) -> bytes:
    """What is in every payload that mentions the user, however it is written: the longest run of plain characters."""
    return max(re.findall(r"[A-Za-z0-9]+", user_id), key=len, default="").encode()


def digest(person: Person, salt: str | None = None) -> str:
    """The hash that is kept of an erased person: `salt:hash`, another each time."""
    salt = salt or secrets.token_hex(16)
    told = f"{person.site_id or ''}{SEPARATOR}{person.user_id}".encode()
    return f"{salt}:{scrypt(told, salt=bytes.fromhex(salt), **_COSTS).hex()}"


def is_of(kept: str, person: Person) -> bool:
    """Whether the hash is the person's, on the same site."""
    return compare_digest(kept, digest(person, kept.partition(":")[0]))
