from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from cohort_files import adni, scan
from parcela.errors import BadRequest
from parcela_training.cohorts.find import find_cohort


def test_given_each_layout_when_found_then_it_is_recognised(tmp_path: Path) -> None:
    scan(tmp_path / "bids" / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    scan(tmp_path / "bids" / "sub-01" / "anat" / "sub-01_T2w.nii.gz")
    adni(tmp_path / "download", [1])
    scan(tmp_path / "folder" / "x.nii")
    (tmp_path / "list.csv").write_text("path,subject\nfolder/x.nii,p\n")
    found = {
        name: [(i.id, i.subject) for i in find_cohort(tmp_path / name).images]
        for name in ("bids", "download", "folder", "list.csv")
    }
    assert found == {
        "bids": [("sub-01", "sub-01")],
        "download": [("000_S_0000_I100001", "000_S_0000")],
        "folder": [("x", "x")],
        "list.csv": [("x", "p")],
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "no such file or folder"),
        ("one.nii", "one scan is no cohort"),
        ("paper.pdf", "not a cohort"),
        ("empty", "no NIfTI scan in it"),
    ],
)
def test_given_no_cohort_when_looked_for_then_the_message_says_what_is_there(
    tmp_path: Path, name: str, message: str
) -> None:
    scan(tmp_path / "one.nii")
    (tmp_path / "paper.pdf").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadRequest, match=message):
        find_cohort(tmp_path / name)


@pytest.mark.skipif("COHORT" not in os.environ, reason="set COHORT to a cohort of real scans")
def test_given_a_real_cohort_when_found_then_its_table_and_derivatives_are_counted() -> None:
    cohort = find_cohort(Path(os.environ["COHORT"]))
    print(cohort.name, Counter(i.split for i in cohort.images), *cohort.warnings, sep="\n")
    print(sum(i.mask is not None for i in cohort.images), "masks")
    print(sum(i.label is not None for i in cohort.images), "labels")
    assert all(image.path.is_file() for image in cohort.images)
    assert len({image.id for image in cohort.images}) == len(cohort.images) > 0
