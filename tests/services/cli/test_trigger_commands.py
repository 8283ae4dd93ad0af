"""`clickloom triggers` as a person types it."""

import subprocess
import sys
from uuid import UUID

import pytest

from tests.conftest import Select

MAKE = ("create", "--name", "a cart is left", "--url", "https://shop.example/hook", "--site", "shop", "--on", "open")
CART = ("--if", "event=cart", "--if", "without=checkout", "--if", "within=10m")


def triggers(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "services.cli", "triggers", *arguments]
    return subprocess.run(command, env={**environment, "COLUMNS": "300"}, capture_output=True, text=True, timeout=180)


def test_a_trigger_is_made_listed_switched_and_deleted(environment: dict[str, str], select: Select) -> None:
    made = triggers(environment, *MAKE, *CART, "--if", "experiments.button=red")
    assert made.returncode == 0, made.stderr
    trigger_id, secret = made.stdout.split()
    assert UUID(trigger_id)
    assert secret.startswith("whsec_")
    [(conditions, sites)] = select("SELECT conditions, sites FROM triggers")
    expected = {"event": "cart", "without": "checkout", "within": "10m", "experiments": {"button": "red"}}
    assert (conditions, sites) == (expected, ["shop"])
    listed = triggers(environment, "list").stdout
    assert trigger_id in listed
    assert secret not in listed
    for command, enabled in (("disable", False), ("enable", True)):
        assert triggers(environment, command, trigger_id).returncode == 0
        assert select("SELECT enabled FROM triggers") == [(enabled,)]
    assert triggers(environment, "delete", trigger_id).returncode == 0
    again = triggers(environment, "delete", trigger_id)
    assert (again.returncode, "there is no trigger" in again.stderr) == (2, True)


def test_what_has_never_fired_is_said_so(environment: dict[str, str]) -> None:
    tried = triggers(environment, "dry-run", "--if", "bounced=true")
    assert tried.stdout == "would have fired for 0 sessions\n", tried.stderr
    assert triggers(environment, "dead").returncode == 0
    assert triggers(environment, "retry").stdout == "0 webhooks are sent again\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*MAKE, "--if", "bounced"], "is no condition"),
        ([*MAKE, "--if", "event=cart"], "on open needs an absence"),
        ([*MAKE[:-2], "--if", "colour=red"], "conditions.colour: Extra inputs"),
        ([*MAKE[:-2], "--if", "bounced=perhaps"], "conditions.bounced"),
        ([*MAKE[:-2], "--if", "bounced=true", "--url", "http://127.0.0.1/"], "WEBHOOK_PRIVATE=on"),
        ([*MAKE[:-2], "--if", "bounced=true", "--window", "hours"], "one of visits, minutes"),
    ],
)
def test_a_trigger_that_can_be_none_is_refused(environment: dict[str, str], arguments: list[str], said: str) -> None:
    refused = triggers(environment, *arguments)
    assert refused.returncode == 2
    assert said in " ".join(refused.stderr.replace("│", " ").split())
