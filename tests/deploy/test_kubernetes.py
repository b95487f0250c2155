"""deploy/kubernetes keeps to the schemas of Kubernetes, to what Compose promises, and to what the programs know."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from parcela.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"
PARTS = ("gateway", "preprocess", "inference", "labelling")
KUBERNETES = ("1.29", "1.37")  # the oldest and the newest that the files are held to


def documents() -> Iterator[dict[str, Any]]:
    for file in sorted(FOLDER.glob("**/*.yaml")):
        if file.name != "kustomization.yaml":
            yield from yaml.safe_load_all(file.read_text())


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """The documents of a kind by their names."""
    return {
        document["metadata"]["name"]: document
        for document in documents()
        if document["kind"] == kind
    }


def pod(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = of_kind("Deployment")[name]["spec"]["template"]["spec"]
    return spec


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    found: dict[str, Any] = only
    return found


@pytest.mark.parametrize("version", KUBERNETES)
def test_given_the_files_then_each_keeps_to_the_schema_and_has_no_field_besides(
    version: str,
) -> None:
    checked = [
        document for document in documents() if not document["apiVersion"].startswith("keda")
    ]

    for document in checked:
        kubernetes_validate.validate(document, version, strict=True)
    assert {document["kind"] for document in checked} == {
        *("Namespace", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy")
    }


def test_given_a_field_that_kubernetes_does_not_know_then_it_is_found() -> None:
    wrong = of_kind("Deployment")["gateway"]
    wrong["spec"]["replicaz"] = 3

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES[0], strict=True)


def test_given_the_kustomization_then_it_lists_every_file() -> None:
    for folder in (FOLDER, FOLDER / "keda"):
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        assert {*listed, "kustomization.yaml"} == {file.name for file in folder.glob("*.yaml")}


@pytest.mark.parametrize("name", PARTS)
def test_given_a_part_then_it_has_no_more_rights_than_it_needs(name: str) -> None:
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert pod(name)["securityContext"]["runAsUser"] == 10001
    assert pod(name)["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", PARTS)
def test_given_a_part_then_its_limits_are_those_of_compose(name: str) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][name]
    (volume,) = (volume for volume in pod(name)["volumes"] if volume["name"] == "tmp")

    limit = container(name)["resources"]["limits"]["memory"]

    assert f"_MEMORY:-{limit.removesuffix('Gi')}g}}" in compose["mem_limit"]
    assert f"_TMP:-{volume['emptyDir']['sizeLimit'].removesuffix('Gi')}g}}" in compose["tmpfs"][0]
    assert container(name)["image"] == f"{compose['image']}:{version()}"


def version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


@pytest.mark.parametrize("name", PARTS)
def test_given_a_part_then_each_setting_exists_and_each_password_is_a_file_of_a_secret(
    name: str,
) -> None:
    base = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    common = [line.partition("=")[0] for line in base["configMapGenerator"][0]["literals"]]
    own = {setting["name"]: setting["value"] for setting in container(name)["env"]}
    mounted = {mount["mountPath"] for mount in container(name)["volumeMounts"]}

    for setting in (*common, *own):
        assert setting.removeprefix("PARCELA_").lower() in Settings.model_fields
    for setting, value in own.items():
        if setting.endswith("_FILE"):
            assert str(Path(value).parent) in mounted
    assert ("/keys" in mounted) == (name == "gateway")


def test_given_the_network_then_a_worker_is_reached_by_nobody_and_the_gateway_on_its_port() -> None:
    policies = of_kind("NetworkPolicy")

    assert policies["parcela"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policies["parcela"]["spec"]
    labels = policies["parcela"]["spec"]["podSelector"]["matchLabels"]
    for deployment in of_kind("Deployment").values():
        assert labels.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert policies["gateway"]["spec"]["podSelector"] == {
        "matchLabels": of_kind("Service")["parcela"]["spec"]["selector"]
    }


def test_given_the_scaling_then_it_asks_for_a_count_that_the_gateway_tells_of_a_stage() -> None:
    metrics = (ROOT / "services/gateway/parcela_gateway/metrics.py").read_text()
    scaled = of_kind("ScaledObject")

    assert {*scaled} == {*PARTS} - {"gateway"}
    for name, document in scaled.items():
        assert document["spec"]["scaleTargetRef"] == {"name": name}
        (trigger,) = document["spec"]["triggers"]
        asked = re.findall(r'parcela_jobs_(\w+)\{stage="(\w+)"\}', trigger["metadata"]["query"])
        assert asked == [("waiting", name), ("running", name)]
        assert all(f'("{count}", ' in metrics for count, _ in asked)


@pytest.mark.slow
@pytest.mark.parametrize("overlay", [[], ["keda"]], ids=["base", "keda"])
def test_given_kustomize_then_it_builds_what_the_schemas_take(
    overlay: list[str], tmp_path: Path
) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on the PATH")
    shutil.copytree(FOLDER, tmp_path / "base")
    chosen = {"resources": ["base"], "components": [f"base/{name}" for name in overlay]}
    (tmp_path / "kustomization.yaml").write_text(json.dumps(chosen))

    built = subprocess.run(
        ["kubectl", "kustomize", tmp_path], capture_output=True, text=True, check=True
    ).stdout

    made = list(yaml.safe_load_all(built))
    for document in made:
        if not document["apiVersion"].startswith("keda"):
            kubernetes_validate.validate(document, KUBERNETES[1], strict=True)
    assert sum(document["kind"] == "ScaledObject" for document in made) == 3 * len(overlay)
    assert all(
        document["kind"] == "Namespace" or document["metadata"]["namespace"] == "parcela"
        for document in made
    )
