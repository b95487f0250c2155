"""What the gateway serves is what the sources say, and small; who has no Node gets it all the same."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway_server import Gateway
from parcela_gateway.page.pages import BUILT

FIRST_VIEW_BYTES = 300_000
SHARED = (
    "bundle/templates/look.css",
    "bundle/data/words.tsv",
    "atlas/data/names.tsv",
    "quality/data/bounds.tsv",
)


def sources(web: Path) -> str:
    """The hash of the page's sources, as ``web/build.mjs`` writes it."""
    files = [path for path in (web / "src").rglob("*") if path.is_file()]
    files += [web / name for name in ("build.mjs", "package.json", "package-lock.json")]
    files += [web / "../shared/parcela" / name for name in SHARED]
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(web).as_posix(), path) for path in files):
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def test_given_the_built_page_then_it_was_built_of_these_sources(checkout: Path) -> None:
    built = json.loads((BUILT / "built.json").read_text(encoding="utf-8"))
    assert built["sources"] == sources(checkout / "web"), "run `make web`"


def test_given_the_page_when_opened_then_its_files_come_packed_and_for_ever(
    standing: Gateway,
) -> None:
    built = json.loads((BUILT / "built.json").read_text(encoding="utf-8"))
    page = standing.http.get("/")
    assert "'unsafe-" not in page.headers["content-security-policy"]
    for name in (built["script"], built["style"]):
        assert f"assets/{name}" in page.text
        answer = standing.http.get(f"/assets/{name}")
        assert answer.content == (BUILT / name).read_bytes()
        assert answer.headers["content-encoding"] == "gzip"
        assert "immutable" in answer.headers["cache-control"]
        plain = standing.http.get(f"/assets/{name}", headers={"Accept-Encoding": "identity"})
        assert plain.content == answer.content
    size = sum((BUILT / built[part]).stat().st_size for part in ("script", "style"))
    assert size + len(page.content) < FIRST_VIEW_BYTES


@pytest.mark.parametrize(
    "name", ["none.js", "built.json", "%2e%2e", "%2e%2e%2fpages.py", "LICENSES.txt"]
)
def test_given_a_name_that_is_no_part_of_the_page_then_there_is_nothing(
    standing: Gateway, name: str
) -> None:
    assert standing.http.get(f"/assets/{name}").status_code == 404


def test_given_what_was_bundled_then_each_has_its_licence() -> None:
    text = (BUILT / "LICENSES.txt").read_text(encoding="utf-8")
    parts = text.split("-" * 80)
    assert {"@niivue/niivue", "preact"} <= {part.split()[0] for part in parts}
    assert all("copyright" in part.lower() for part in parts)


@pytest.mark.slow
def test_given_node_when_built_again_then_it_is_the_same(checkout: Path, tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("no npm: install Debian's packages nodejs and npm")
        pytest.skip("no npm")
    web = shutil.copytree(
        checkout / "web", tmp_path / "web", ignore=shutil.ignore_patterns("node_modules")
    )
    for name in SHARED:
        file = Path("shared/parcela") / name
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkout / file, tmp_path / file)
    for command in (["npm", "ci", "--ignore-scripts"], ["npm", "run", "check"]):
        subprocess.run(command, cwd=web, check=True, capture_output=True)
    subprocess.run(["node", "build.mjs", "../built"], cwd=web, check=True, capture_output=True)
    made = {path.name: path.read_bytes() for path in (tmp_path / "built").iterdir()}
    assert made == {path.name: path.read_bytes() for path in BUILT.iterdir()}
