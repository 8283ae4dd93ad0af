"""What docs/operations.md says of reading the lake is what the files have."""

import re
from pathlib import Path

import pytest

from clickloom.lake.columns import CLICKS, Kind, LakeColumn
from services.persister.archive_tables import CHANGE_COLUMNS

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
ATHENA = {
    Kind.text: "string",
    Kind.moment: "timestamp",
    Kind.integer: "int",
    Kind.bigint: "bigint",
    Kind.boolean: "boolean",
    Kind.texts: "array<string>",
    Kind.bigints: "array<bigint>",
}


def athena(column: LakeColumn) -> str:
    kind = f"decimal({column.precision},{column.scale})" if column.kind is Kind.decimal else ATHENA[column.kind]
    return f"{column.name} {kind}"


@pytest.mark.parametrize(("table", "columns"), [("session_changes", CHANGE_COLUMNS), ("clicks", CLICKS.columns)])
def test_athenas_tables_have_the_columns_of_the_files(table: str, columns: list[LakeColumn]) -> None:
    found = re.search(rf"CREATE EXTERNAL TABLE {table} \((.*?)\)\nPARTITIONED", OPERATIONS.read_text(), re.DOTALL)
    assert found is not None
    assert " ".join(found[1].replace("`", "").split()).split(", ") == [athena(column) for column in columns]
