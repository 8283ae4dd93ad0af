"""Answers as tables: of Arrow, and of Polars and pandas if they are there."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import httpx

from clickloom.client.answers import checked

if TYPE_CHECKING:
    import polars
    import pyarrow as pa


class MissingLibrary(ImportError):
    """What was asked for needs a library that is not installed."""


def table_of(answer: httpx.Response) -> "pa.Table":
    """Raises ApiError."""
    import pyarrow as pa

    return pa.ipc.open_stream(checked(answer).content).read_all()


def joined(pages: Sequence["pa.Table"]) -> "pa.Table":
    import pyarrow as pa

    return pa.concat_tables(pages)


def to_polars(table: "pa.Table") -> "polars.DataFrame":
    """Raises MissingLibrary."""
    found: polars.DataFrame = library("polars").from_arrow(table)
    return found


def to_pandas(table: "pa.Table") -> Any:
    """A pandas.DataFrame. Raises MissingLibrary."""
    library("pandas")
    return table.to_pandas()


def library(name: str) -> ModuleType:
    """Raises MissingLibrary."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingLibrary(f"this needs {name}: pip install {name}") from error


class SqlTable:
    """The answer to a question in SQL; iterates rows as dicts."""

    def __init__(self, answer: httpx.Response) -> None:
        """Raises ApiError."""
        self._table = table_of(answer)
        self.truncated = answer.headers.get("clickloom-truncated") == "true"

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._table.to_pylist())

    @property
    def columns(self) -> list[str]:
        return list(self._table.column_names)

    def to_arrow(self) -> "pa.Table":
        return self._table

    def to_polars(self) -> "polars.DataFrame":
        """Raises MissingLibrary."""
        return to_polars(self._table)

    def to_pandas(self) -> Any:
        """A pandas.DataFrame. Raises MissingLibrary."""
        return to_pandas(self._table)
