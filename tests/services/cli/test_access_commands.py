"""`clickloom keys` as a person types it."""

import subprocess
import sys

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.access_table import read_keys


def keys_command(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "services.cli", "keys", *arguments]
    return subprocess.run(command, env={**environment, "COLUMNS": "200"}, capture_output=True, text=True, timeout=60)


async def test_a_key_is_made_listed_and_revoked(environment: dict[str, str], engine: AsyncEngine) -> None:
    write = keys_command(
        environment, "create", "write", "--name", "page", "--site", "shop", "--origin", "https://A.example"
    )
    read = keys_command(environment, "create", "read", "--name", "report", "--scope", "admin")
    texts = [made.stdout.strip() for made in (write, read)]
    kept = await read_keys(engine)
    assert [key.opened_by(text) for key, text in zip(kept, texts, strict=True)] == [True, True]
    assert (kept[0].sites, kept[0].origins, kept[1].scopes) == (("shop",), ("https://a.example",), ("admin",))
    listed = keys_command(environment, "list").stdout
    assert texts[0] in listed, "it is no secret"
    assert texts[1] not in listed
    assert texts[1][:12] + "…" in listed
    assert keys_command(environment, "revoke", texts[1]).returncode == 0
    assert "report" not in keys_command(environment, "list").stdout
    again = keys_command(environment, "revoke", texts[1][:12])
    assert (again.returncode, "no key begins with" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "write", "--name", "a"], "--site NAME"),
        (["create", "write", "--name", "a", "--site", "a", "--site", "b"], "--site NAME"),
        (["create", "write", "--name", "a", "--site", "x" * 65], "up to 64 characters"),
        (["create", "write", "--name", "a", "--site", "a", "--origin", "shop.example"], "is no origin"),
        (["create", "write", "--name", "a", "--site", "a", "--origin", "https://a.example/x"], "is no origin"),
        (["create", "write", "--name", "a", "--site", "a", "--scope", "admin"], "leave --scope out"),
        (["create", "read", "--name", "a", "--origin", "https://a.example"], "leave --origin out"),
        (["create", "both", "--name", "a"], "'write', 'read'"),
    ],
)
def test_a_key_that_would_be_none_is_refused(environment: dict[str, str], arguments: list[str], said: str) -> None:
    refused = keys_command(environment, *arguments)
    assert refused.returncode == 2
    assert said in " ".join(refused.stderr.replace("│", " ").split())


def test_without_a_database_it_says_which_setting(environment: dict[str, str]) -> None:
    environment["DATABASE_URL"] = "postgresql://127.0.0.1:1/nowhere"
    refused = keys_command(environment, "list")
    assert (refused.returncode, "DATABASE_URL" in refused.stderr) == (1, True)
    assert len(refused.stderr.splitlines()) < 6, refused.stderr
