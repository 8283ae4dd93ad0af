"""Which files can be imported, and what they are called."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from clickloom.errors import InvalidInput


class FileFormat(StrEnum):
    combined = "combined"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"

    @property
    def of_lines(self) -> bool:
        return self in (FileFormat.combined, FileFormat.jsonl)


def format_of(file: str) -> FileFormat:
    """By the end of its name; JSON lines if that tells nothing."""
    end = Path(file.removesuffix(".gz")).suffix.removeprefix(".")
    return FileFormat(end) if end in list(FileFormat) else FileFormat.jsonl


def named(files: Sequence[str]) -> list[tuple[str, str]]:
    """(what it is called, where it is): by its last part, unless two have the same. Raises InvalidInput."""
    for file in files:
        if file != "-" and not Path(file).is_file():
            raise InvalidInput(f"{file} is no file" if Path(file).exists() else f"{file} is not there")
    names = [Path(file).name for file in files]
    return [(file if names.count(name) > 1 else name, file) for name, file in zip(names, files, strict=True)]
