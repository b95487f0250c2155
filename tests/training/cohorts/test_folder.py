from __future__ import annotations

from pathlib import Path

import pytest

from cohort_files import scan
from parcela.errors import BadRequest
from parcela_training.cohorts.folder import read_folder


def test_given_names_that_tell_nothing_when_read_then_each_file_is_a_subject_and_that_is_said(
    tmp_path: Path,
) -> None:
    for name in ("a/t1.nii.gz", "b/t1.nii", "c.nii"):
        scan(tmp_path / name)
    cohort = read_folder(tmp_path)
    assert [(i.id, i.subject) for i in cohort.images] == [
        ("a_t1", "a_t1"),
        ("b_t1", "b_t1"),
        ("c", "c"),
    ]
    (warning,) = cohort.warnings
    assert warning.startswith("the subject of 3 images is not known (a_t1, b_t1, c)")


def test_given_names_that_tell_the_subject_when_read_then_it_is_known(tmp_path: Path) -> None:
    for name in ("sub-01_scan1.nii", "sub-01_scan2.nii", "x/002_S_0295/a.nii", "plain.nii"):
        scan(tmp_path / name)
    cohort = read_folder(tmp_path)
    assert [i.subject for i in cohort.images] == ["plain", "sub-01", "sub-01", "002_S_0295"]
    assert cohort.warnings[0].startswith("the subject of 1 images is not known (plain)")


def test_given_ids_that_fall_together_when_read_then_they_are_told_apart(tmp_path: Path) -> None:
    for name in ("a/b_c.nii", "a_b/c.nii", "d.nii"):
        scan(tmp_path / name)
    ids = [image.id for image in read_folder(tmp_path).images]
    assert len(set(ids)) == 3
    assert [name[:6] for name in ids] == ["a_b_c-", "a_b_c-", "d"]


def test_given_masks_and_labels_beside_the_scans_when_read_then_they_belong_to_them(
    tmp_path: Path,
) -> None:
    for name in ("sub-1.nii.gz", "sub-1_desc-brain_mask.nii.gz", "sub-1_dseg.nii.gz"):
        scan(tmp_path / name)
    for name in ("sub-2.nii.gz", "lesion_mask.nii.gz", "._sub-2.nii.gz", ".trash/sub-3.nii"):
        scan(tmp_path / name)
    cohort = read_folder(tmp_path)
    first, second = cohort.images
    assert first.mask == tmp_path / "sub-1_desc-brain_mask.nii.gz"
    assert first.label == tmp_path / "sub-1_dseg.nii.gz"
    assert (second.mask, second.label) == (None, None)
    assert cohort.warnings == (
        "1 files are named like masks or labels (lesion_mask.nii.gz): left out",
    )


def test_given_a_loop_of_links_when_read_then_each_file_counts_once(tmp_path: Path) -> None:
    scan(tmp_path / "real" / "sub-1.nii")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    assert len(read_folder(tmp_path).images) == 1


def test_given_no_scan_when_read_then_the_message_names_the_layouts(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(BadRequest, match="no NIfTI scan in it: give a BIDS folder"):
        read_folder(tmp_path)
