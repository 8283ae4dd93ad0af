"""Which column of a file is which field of a click. Pure."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from clickloom.click import Click
from clickloom.errors import InvalidInput, InvalidSetting

# Not `sent_at`: it corrects by the moment of arrival, and of history nobody knows that. Nor the address, which is cut
# where it comes in.
FIELDS = tuple(name for name in Click.__struct_fields__ if name not in ("sent_at", "client_address"))
REQUIRED = ("user_id", "device_id", "client_event", "client_timestamp")

_RULE = re.compile(r"(\w+)(:?=)(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mapping:
    """What `--map` says; a field that it does not name is the column of its own name."""

    columns: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)

    def renamed(self, event: dict[str, Any]) -> dict[str, Any]:
        """A JSON event with the fields' names in place of the columns'."""
        names = {column: name for name, column in self.columns.items()}
        return {**{names.get(key, key): value for key, value in event.items()}, **self.constants}


def parse_mapping(rules: Sequence[str]) -> Mapping:
    """`user_id=uid` names a column, `device_id:=computer` a text that all clicks have. Raises InvalidSetting."""
    mapping = Mapping()
    for rule in rules:
        match = _RULE.fullmatch(rule)
        if match is None:
            raise InvalidSetting(f"--map {rule!r}: write FIELD=COLUMN, or FIELD:=TEXT for what all clicks have")
        name, sign, value = match.groups()
        if name not in FIELDS:
            raise InvalidSetting(f"--map {rule!r}: a click has no field {name}; its fields are {', '.join(FIELDS)}")
        if name in mapping.columns or name in mapping.constants:
            raise InvalidSetting(f"--map names {name} twice")
        (mapping.columns if sign == "=" else mapping.constants)[name] = value
    return mapping


def chosen(mapping: Mapping, columns: Collection[str], file: str) -> dict[str, str]:
    """Field → column, of a file with these columns. Raises InvalidInput with the remedy."""
    has = f"{file} has the columns {', '.join(columns)}"
    for name, column in mapping.columns.items():
        if column not in columns:
            raise InvalidInput(f"--map {name}={column}: {has}; for a text that all clicks have write {name}:={column}")
    own = {name: name for name in FIELDS if name in columns and name not in mapping.constants}
    found = {**own, **mapping.columns}
    missing = [name for name in REQUIRED if name not in found and name not in mapping.constants]
    if missing:
        remedies = " ".join(f"--map {name}=COLUMN" for name in missing)
        raise InvalidInput(f"{', '.join(missing)}: {has}; say which it is with {remedies}")
    return found
