"""The store's layout: the contract's keys, spelled nowhere else, and the files that recovery looks for."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from parcela.imaging.preprocessed import Preprocessed, PreprocessingRecord
from parcela.imaging.trail import GeometryTrail
from parcela.jobs import keys

ID = "0123456789abcdef" * 2
OWNERS = {"shared/parcela/jobs/keys.py", "shared/parcela/imaging/preprocessed.py"}
FOLDERS = (f"{keys.JOBS}/", f"{keys.TOMBSTONES}/")
FILES = {keys.SCAN, keys.REQUEST, keys.OUTCOME, keys.PROBE}.union(*keys.LEFT_BY.values())


def test_given_an_id_then_its_keys_are_those_of_the_contract() -> None:
    assert keys.scan_key(ID, "bb") == f"jobs/{ID}/upload/bb/scan.nii.gz"
    assert keys.scan_key(ID, "") == f"jobs/{ID}/scan.nii.gz"  # of older releases
    assert keys.request_key(ID) == f"jobs/{ID}/request.json"
    assert keys.outcome_key(ID) == f"jobs/{ID}/outcome.json"
    assert keys.stage_key(ID, "inference", "bb", "qc.png") == f"jobs/{ID}/inference/bb/qc.png"
    assert keys.tombstone_key(ID) == f"tombstones/{ID}.json"


def test_given_a_key_then_its_job_is_read_back() -> None:
    assert keys.job_of(keys.stage_key(ID, "inference", "bb", "qc.png")) == ID
    assert keys.buried_job(keys.tombstone_key(ID)) == ID


def test_given_a_preprocessed_scan_when_saved_then_its_files_are_those_recovery_looks_for(
    tmp_path: Path,
) -> None:
    shape, affine = (2, 3, 4), np.eye(4)
    trail = GeometryTrail.unmoved(shape, affine)
    image, mask = np.zeros(shape, np.float32), np.ones(shape, np.uint8)
    Preprocessed(image, mask, trail, PreprocessingRecord(seconds={})).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == keys.LEFT_BY["preprocess"]


def spelled(tree: Path) -> list[str]:
    """Where the name of a file or a folder of the store stands as a literal, outside the modules that own them."""
    return [
        f"{file}:{node.lineno} spells {node.value!r}"
        for folder in ("shared", "services")
        for path in sorted((tree / folder).rglob("*.py"))
        if (file := path.relative_to(tree).as_posix()) not in OWNERS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and (node.value in FILES or node.value.startswith(FOLDERS))
    ]


def test_given_the_tree_then_the_stores_names_are_spelled_in_one_place(checkout: Path) -> None:
    assert spelled(checkout) == []


@pytest.mark.parametrize("text", ['NAME = "request.json"', 'f"jobs/{job_id}"', "x = 'trail.json'"])
def test_given_a_name_spelled_again_when_checked_then_it_is_named(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "services/a").mkdir(parents=True)
    (tmp_path / "services/a/x.py").write_text(text)
    assert len(spelled(tmp_path)) == 1
