"""docs/settings.md, made from the settings themselves."""

from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from clickloom.memory import Amount
from clickloom.settings import Settings
from clickloom.times import format_duration

_HEAD = """\
# Settings

From the environment, or from a file `.env` where a service is started. This page is what `clickloom settings` prints.

| setting | default | |
| --- | --- | --- |
"""


def settings_page() -> str:
    """Markdown, a line a setting, in the order of clickloom/settings.py."""
    return _HEAD + "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        setting = field.alias or name.upper()
        yield f"| `{setting}` | {_default(name, field)} | {_escaped(field.description or '')} |"


def _default(name: str, field: FieldInfo) -> str:
    shown = _written(name, field.get_default())
    return f"`{_escaped(shown)}`" if shown else ""


def _written(name: str, value: Any) -> str:
    """As it would be set."""
    if name.endswith("_us"):
        return format_duration(value) if value else "0s"
    if value is PydanticUndefined or hasattr(value, "get_secret_value") or value in ({}, ""):
        return ""
    if isinstance(value, frozenset):
        return ", ".join(sorted(value))
    if isinstance(value, bool):
        return str(value).lower()
    return value.text if isinstance(value, Amount) else str(value)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
