"""Alerts and dashboard speak of metrics that there are, and the documentation of the alerts that there are."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from clickloom import metrics

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
METRIC = re.compile(r"\bclickloom_\w+")


def known() -> set[str]:
    """The names under which Prometheus has them."""
    made = {metrics.DUTY_AGE[0]}
    for family in REGISTRY.collect():
        made.add(f"{family.name}_total" if family.type == "counter" else family.name)
    return made


def alerts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "grafana" / "dashboards" / "pipeline.json").read_text())[
        "panels"
    ]
    return found


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_that_there_are(rule: dict[str, Any]) -> None:
    assert set(METRIC.findall(rule["expr"])) <= known()


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_asks_for_metrics_that_there_are(panel: dict[str, Any]) -> None:
    asked = " ".join(target.get("expr", "") for target in panel["targets"])
    assert set(METRIC.findall(asked)) <= known()


@pytest.mark.parametrize(
    "panel", [one for one in panels() if "rawSql" in one["targets"][0]], ids=lambda one: one["title"]
)
def test_a_panel_asks_postgres_what_it_can_answer(panel: dict[str, Any], select: Any) -> None:
    query = panel["targets"][0]["rawSql"].replace("$__timeFilter(begin_session)", "begin_session > now()")
    assert select(query) == []


def test_the_documentation_has_every_alert_and_no_other() -> None:
    section = (ROOT / "docs" / "operations.md").read_text().partition("\n## Alerts\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [rule["alert"] for rule in alerts()]


def test_prometheus_takes_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("left out: there is no promtool on this machine")
    subprocess.run([promtool, "check", "rules", str(FOLDER / "alerts.yml")], check=True)
