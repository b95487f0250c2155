"""The wheel carries everything: installed outside the checkout, with the network off, it predicts."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from patience import patient

pytestmark = pytest.mark.slow

# Where parts of the source tree lie in the wheel.
CARRIED = {
    "shared/parcela": "parcela",
    "services/gateway/parcela_gateway": "parcela_gateway",
    "services/preprocess/parcela_preprocess": "parcela_preprocess",
    "services/inference/parcela_inference": "parcela_inference",
    "services/labelling/parcela_labelling": "parcela_labelling",
    "training/parcela_training": "parcela_training",
    "cli/parcela_cli": "parcela_cli",
    "weights": "parcela/weights/files",
}
DEAD_PROXY = "http://127.0.0.1:9"  # the discard port: nobody listens


def run(*command: str | Path, **options: object) -> str:
    """Standard output of a command that must succeed; its standard error is shown when it does not."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, (
        f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    )
    return str(done.stdout)


@pytest.fixture(scope="module")
def tree(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, so that nothing that is built is left behind in it."""
    tree = tmp_path_factory.mktemp("tree") / "parcela"
    ignored = shutil.ignore_patterns(
        ".git",
        ".venv",
        ".*_cache",
        ".hypothesis",
        "runs",
        "out",
        "dist",
        "__pycache__",
        "node_modules",
    )
    shutil.copytree(checkout, tree, ignore=ignored)
    return tree


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the tree itself."""
    return wheel_of(tree, tmp_path_factory.mktemp("wheel"))


def wheel_of(source: Path, folder: Path) -> Path:
    """The wheel of a tree or of a source archive, built without an index."""
    offline = ("--no-deps", "--no-build-isolation", "--no-index")
    run(sys.executable, "-m", "pip", "wheel", *offline, "-w", folder, source)
    (built,) = folder.glob("parcela-*.whl")
    return built


def contents(archive: Path) -> dict[str, str]:
    """SHA-256 of each file of a wheel, by its name."""
    with zipfile.ZipFile(archive) as opened:
        return {name: hashlib.sha256(opened.read(name)).hexdigest() for name in opened.namelist()}


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment outside the checkout that holds the wheel, and the libraries of this one but not its Parcela.

    The libraries are lent by a `.pth` file. A folder that a `.pth` file names is searched, but its own `.pth` files,
    through which an editable install finds the checkout, are not read.
    """
    folder = tmp_path_factory.mktemp("an empty place") / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    run(
        sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel
    )
    (own,) = (folder / "lib").glob("python3.*/site-packages")
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (own / "lent.pth").write_text("\n".join(sorted(lent)) + "\n")
    return folder


def offline(*command: str | Path, cwd: Path) -> str:
    """Run a command without a network: in an empty network namespace where the system allows one, and behind a proxy
    that does not exist; with a home of its own, so that nothing cached helps."""
    cut = ["unshare", "--map-root-user", "--net"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*cut, "true"], capture_output=True, check=False).returncode
    ):
        cut = []
    home = cwd / "home"
    home.mkdir(exist_ok=True)
    kept = {key: os.environ[key] for key in ("LANG", "PATH", "TMPDIR") if key in os.environ}
    proxies = {f"{scheme}_proxy": DEAD_PROXY for scheme in ("http", "https", "all")}
    return run(
        *cut, *command, cwd=cwd, env={**kept, **proxies, "HOME": str(home)}, timeout=patient(60)
    )


def test_given_the_wheel_then_every_file_of_the_packages_is_in_it(
    checkout: Path, wheel: Path
) -> None:
    held = contents(wheel)
    missing = [
        f"{source}/{path.relative_to(checkout / source)}"
        for source, target in CARRIED.items()
        for path in (checkout / source).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
        if held.get(f"{target}/{path.relative_to(checkout / source).as_posix()}")
        != hashlib.sha256(path.read_bytes()).hexdigest()
    ]
    assert missing == []
    assert {
        f"parcela/weights/files/{name}/model.safetensors" for name in ("unet", "highresnet", "warp")
    } <= set(held)
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert any(name.endswith("licenses/NOTICE") for name in held)


def test_given_the_wheel_then_it_holds_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        roots = {name.split("/")[0] for name in archive.namelist()}
    assert {root for root in roots if not root.endswith(".dist-info")} == {
        target.split("/")[0] for target in CARRIED.values()
    }
    assert "parcela_benchmarks" not in roots  # the lab notebook is no part of the product


def test_given_the_source_archive_then_its_wheel_is_that_of_the_tree_file_for_file(
    tree: Path, wheel: Path, tmp_path: Path
) -> None:
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "-d", tmp_path, cwd=tree)
    (archive,) = tmp_path.glob("parcela-*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}

    assert contents(wheel_of(archive, tmp_path / "wheel")) == contents(wheel)
    assert {"README.md", "Makefile", "lock/dev.txt", "docker-compose.yml", "predict.sh"} <= names
    assert {"tests/test_wheel.py", "services/gateway/Dockerfile", "docs/release.md"} <= names


def test_given_the_wheel_installed_elsewhere_then_the_checkout_is_out_of_sight(
    elsewhere: Path, tmp_path: Path
) -> None:
    code = (
        "import json, parcela, parcela_cli as c; print(json.dumps([parcela.__file__, c.__file__]))"
    )
    for file in json.loads(offline(elsewhere / "bin" / "python", "-c", code, cwd=tmp_path)):
        assert Path(file).is_relative_to(elsewhere)


def test_given_the_wheel_and_no_network_when_regions_are_listed_then_all_116_are_there(
    elsewhere: Path, tmp_path: Path
) -> None:
    listed = offline(elsewhere / "bin" / "parcela", "regions", cwd=tmp_path)
    assert "Precentral_L" in listed
    assert "Vermis_10" in listed


def test_given_the_wheel_and_no_network_when_a_brain_is_parcellated_then_its_bundle_is_whole(
    elsewhere: Path, tmp_path: Path
) -> None:
    python, parcela = elsewhere / "bin" / "python", elsewhere / "bin" / "parcela"
    place = offline(
        python, "-c", "from parcela.atlas.aal import COLIN27_BRAIN as b; print(b)", cwd=tmp_path
    ).strip()
    scan = tmp_path / "colin 27.nii.gz"
    shutil.copy(place, scan)

    offline(parcela, "predict", scan, "-o", tmp_path / "out", "--no-preprocess", cwd=tmp_path)

    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {
        "colin 27_dseg.nii.gz",
        "colin 27_dseg.tsv",
        "colin 27_qc.png",
        "colin 27_manifest.json",
    } <= made
    given, found = nib.load(scan), nib.load(tmp_path / "out" / "colin 27_dseg.nii.gz")
    assert isinstance(given, nib.Nifti1Image)
    assert isinstance(found, nib.Nifti1Image)
    assert found.shape == given.shape
    assert np.array_equal(found.affine, given.affine)
    assert len(np.unique(np.asarray(found.dataobj))) > 100
