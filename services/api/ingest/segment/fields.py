"""The parts of a message, in which clients of many languages have taken liberties. Pure."""

from dataclasses import dataclass
from typing import Any

import msgspec

from clickloom.click import MAX_DEPTH, MAX_PROPERTIES_BYTES
from clickloom.errors import RejectedInput

LEFT_OUT = "_left_out"
MAX_LEFT_OUT = 20
_MOST = MAX_PROPERTIES_BYTES - 2  # of all members; the object's brackets are the rest


@dataclass(frozen=True, slots=True)
class Part:
    """An object of a message; `name` is where it stands."""

    name: str
    members: dict[str, Any]

    def part(self, member: str) -> "Part":
        return part(self.members.get(member), f"{self.name}.{member}")


def part(value: Any, name: str) -> Part:
    """An object; null and [], which PHP writes for an empty one, have no members. Raises RejectedInput."""
    if isinstance(value, dict):
        return Part(name, value)
    if value is None or value == []:
        return Part(name, {})
    raise RejectedInput("invalid_field", f"{name}: must be an object")


def short_text(of: Part, member: str, max_chars: int) -> str | None:
    """A text, cut to what a click can hold; None if it is empty or is no text. Raises RejectedInput for an object."""
    value = of.members.get(member)
    if isinstance(value, dict | list):
        raise RejectedInput("invalid_field", f"{of.name}.{member}: must be text")
    return str(value)[:max_chars] if value not in (None, "") else None


def within(text: str, max_chars: int, name: str) -> str:
    """The text itself, for what must not be cut. Raises RejectedInput."""
    if len(text) > max_chars:
        raise RejectedInput("invalid_field", f"{name}: more than {max_chars} characters")
    return text


def fitting(properties: dict[str, Any]) -> dict[str, Any]:
    """As many of the properties as fit into a click, the largest left out first; `_left_out` names those.

    Raises RejectedInput if it would have to be more than a few.
    """
    if _size("properties", properties) <= MAX_PROPERTIES_BYTES:
        return properties
    by_size = sorted(((_size(name, value), name) for name, value in properties.items()), reverse=True)
    size, left_out = sum(size for size, _ in by_size), list[str]()
    for left_size, name in by_size[:MAX_LEFT_OUT]:
        if size <= _MOST:
            break
        size += _size("", name) - left_size + (0 if left_out else _size(LEFT_OUT, []))
        left_out.append(name)
    if size > _MOST:
        raise RejectedInput("properties_too_large", "properties: more than 8 KiB of JSON; send less of it")
    kept = {name: value for name, value in properties.items() if name not in left_out}
    return {**kept, LEFT_OUT: left_out} if left_out else kept


def _size(name: str, value: Any) -> int:
    """Bytes of the member with its comma. Raises RejectedInput."""
    try:
        return len(msgspec.json.encode({name: value})) - 1
    except RecursionError as error:
        raise RejectedInput("invalid_field", f"properties: nested deeper than {MAX_DEPTH} levels") from error
