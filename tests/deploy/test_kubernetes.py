"""deploy/kubernetes, held against Kubernetes' own schemas and against itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from clickloom.settings import Settings

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
VERSIONS = ("1.30", "1.35")
SETTINGS = {field.alias or name.upper() for name, field in Settings.model_fields.items()}
OURS = "kustomize.config.k8s.io"  # which has no schema in the cluster


def manifests() -> Iterator[dict[str, Any]]:
    for file in sorted(FOLDER.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            if not document["apiVersion"].startswith(OURS):
                yield document


def named(document: dict[str, Any]) -> str:
    return f"{document['kind']}-{document['metadata']['name']}"


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document for document in manifests() if document["kind"] == kind}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", list(manifests()), ids=named)
def test_it_is_what_kubernetes_takes(document: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def test_every_file_is_applied() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(file.name for file in FOLDER.glob("*.yaml") if file.name != "kustomization.yaml")


@pytest.mark.parametrize("service", ["api", "sessionizer", "persister", "triggers"])
def test_a_service_is_probed_and_never_evicted_whole(service: str) -> None:
    pod = of_kind("Deployment")[service]["spec"]["template"]
    [container] = pod["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    labels = pod["metadata"]["labels"]
    assert of_kind("PodDisruptionBudget")[service]["spec"]["selector"]["matchLabels"] == labels


@pytest.mark.parametrize("service", ["api", "sessionizer", "persister"])
def test_a_service_is_scaled(service: str) -> None:
    scaler = of_kind("HorizontalPodAutoscaler")[service]["spec"]
    assert scaler["scaleTargetRef"]["name"] == service
    assert scaler["minReplicas"] >= 2


@pytest.mark.parametrize("document", [*of_kind("Deployment").values(), *of_kind("Job").values()], ids=named)
def test_a_pod_can_do_next_to_nothing(document: dict[str, Any]) -> None:
    pod = document["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_settings_are_settings() -> None:
    given = {*of_kind("ConfigMap")["clickloom-settings"]["data"], *of_kind("Secret")["clickloom-stores"]["stringData"]}
    assert given <= SETTINGS
