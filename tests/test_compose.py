"""The compose files keep what docs/deploy.md promises, whatever engine runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docker-compose.yml"
GPU = ROOT / "docker-compose.gpu.yml"

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
OURS = ("gateway", "preprocess", "inference", "labelling", "training")
MAY = {"secrets": ["CHOWN"], "training": ["CHOWN", "SETUID", "SETGID"], "store-user": []}
BACK = ("redis", "minio", "preprocess", "inference", "labelling")
LIMITED = ("gateway", *BACK)


@pytest.mark.parametrize("name", SERVICES)
def test_given_a_service_then_it_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == MAY.get(name, [])
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name not in MAY:
        assert service["user"] == "10001:10001"


def test_given_the_services_then_only_the_gateway_is_published_and_on_loopback() -> None:
    published = {name: found["ports"] for name, found in SERVICES.items() if "ports" in found}

    assert published == {"gateway": ["${PARCELA_PUBLISHED:-127.0.0.1}:${PARCELA_PORT:-8000}:8000"]}


@pytest.mark.parametrize("name", LIMITED)
def test_given_a_part_then_its_memory_processes_and_temporary_files_have_limits_that_may_be_set(
    name: str,
) -> None:
    service, prefix = SERVICES[name], f"PARCELA_{name.upper()}"

    assert re.fullmatch(rf"\$\{{{prefix}_MEMORY:-\d+g\}}", service["mem_limit"])
    assert re.fullmatch(rf"\$\{{{prefix}_CPUS:-0\}}", service["cpus"])
    (folder,) = service["tmpfs"]
    assert re.fullmatch(rf"/tmp:mode=1777,size=\$\{{{prefix}_TMP:-\d+[mg]\}}", folder)
    memory, size = re.findall(r":-(\w+)", service["mem_limit"] + folder)
    row = f"| `{name}` | {memory} | {size} | {service['pids_limit']} |"
    assert row in (ROOT / "docs/deploy.md").read_text()


def test_given_the_networks_then_only_the_gateway_is_on_the_one_with_a_way_out() -> None:
    networks = yaml.safe_load(FILE.read_text())["networks"]

    assert networks["back"] == {"internal": "${PARCELA_BACK_INTERNAL:-true}"}
    assert SERVICES["gateway"]["networks"] == ["front", "back"]
    for name in (*BACK, "store-user"):
        assert SERVICES[name]["networks"] == ["back"]


def test_given_the_secrets_then_each_part_sees_its_own() -> None:
    seen = {
        name: {
            volume.split(":")[0]
            for volume in service.get("volumes", [])
            if volume.split(":")[0] in ("secrets", "of-redis", "of-store")
        }
        for name, service in SERVICES.items()
    }

    assert seen.pop("secrets") == {"secrets", "of-redis", "of-store"}
    assert seen == {
        "redis": {"of-redis"},
        "minio": {"of-store"},
        "store-user": {"secrets", "of-store"},
        **{key: {"secrets"} for key in ("gateway", "preprocess", "inference", "labelling")},
        "training": set(),
    }
    for name, service in SERVICES.items():
        if name not in ("secrets", "store-user"):
            assert not any(
                volume.startswith(("secrets:", "of-")) and not volume.endswith(":ro")
                for volume in service.get("volumes", [])
            )


def test_given_the_services_then_no_password_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "KEY" in name or "PASSWORD" in name:
                assert name.endswith("_FILE") or value == f"${{{name}:-}}"


@pytest.mark.parametrize("name", OURS)
def test_given_an_image_of_ours_then_its_dockerfile_is_there_and_needs_no_frontend(
    name: str,
) -> None:
    text = (ROOT / SERVICES[name]["build"]["dockerfile"]).read_text()

    assert "\nARG PYTHON_IMAGE=python:3.11-slim-bookworm\nFROM ${PYTHON_IMAGE}\n" in text
    assert SERVICES[name]["build"]["args"]["PYTHON_IMAGE"] == (
        "${PYTHON_IMAGE:-python:3.11-slim-bookworm}"
    )
    assert "# syntax=" not in text
    assert name == "training" or "USER 10001:10001" in text


@pytest.mark.parametrize("name", OURS)
def test_given_an_image_of_ours_then_its_labels_say_what_it_is_and_what_it_was_built_from(
    name: str,
) -> None:
    build = SERVICES[name]["build"]
    before, _, last = (ROOT / build["dockerfile"]).read_text().rpartition("\nRUN ")
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', last))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert labels.pop("description")
    assert labels == {
        "title": SERVICES[name]["image"],
        "version": "$VERSION",
        "revision": "$REVISION",
        "source": "$SOURCE",
        "licenses": project["license"],
    }
    for argument in ("VERSION", "REVISION", "SOURCE"):
        assert (
            f"\nARG {argument}=" in last
        )  # after the last layer, which a new revision must not undo
        assert f"ARG {argument}" not in before
        assert build["args"][argument].startswith(f"${{PARCELA_{argument}:-")


@pytest.mark.parametrize("files", [(FILE,), (FILE, GPU)], ids=["cpu", "gpu"])
def test_given_docker_compose_then_it_reads_the_files(files: tuple[Path, ...]) -> None:
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("no docker-compose on the PATH")
    chosen = [word for file in files for word in ("-f", str(file))]

    done = subprocess.run(
        [compose, *chosen, "config"], capture_output=True, text=True, env=os.environ, check=False
    )

    assert done.returncode == 0, done.stderr
