from __future__ import annotations

from pathlib import Path

import pytest

from cohort_files import scan
from parcela.errors import BadRequest
from parcela_training.cohorts.bids import read_bids


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    """Three subjects: one plain, one with two runs, one with two sessions."""
    root = tmp_path / "data"
    for name in (
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-01/anat/sub-01_T2w.nii.gz",
        "sub-01/func/sub-01_task-rest_bold.nii.gz",
        "sub-02/anat/sub-02_acq-mprage_run-1_T1w.nii.gz",
        "sub-02/anat/sub-02_acq-mprage_run-2_T1w.nii",
        "sub-03/ses-a/anat/sub-03_ses-a_T1w.nii.gz",
        "sub-03/ses-b/anat/sub-03_ses-b_T1w.nii.gz",
    ):
        scan(root / name)
    return root


def table(root: Path, *lines: str) -> None:
    text = "\n".join(("participant_id\tage\tsplit\tdataset", *lines))
    (root / "participants.tsv").write_text(text + "\n", encoding="utf-8")


def test_given_runs_and_sessions_when_read_then_all_are_images_of_their_subject(bids: Path) -> None:
    cohort = read_bids(bids)
    assert [(i.id, i.subject, i.session, i.series) for i in cohort.images] == [
        ("sub-01", "sub-01", None, None),
        ("sub-02_acq-mprage_run-1", "sub-02", None, "acq-mprage_run-1"),
        ("sub-02_acq-mprage_run-2", "sub-02", None, "acq-mprage_run-2"),
        ("sub-03_ses-a", "sub-03", "a", None),
        ("sub-03_ses-b", "sub-03", "b", None),
    ]
    assert {i.dataset for i in cohort.images} == {"data"}
    assert {i.split for i in cohort.images} == {None}
    assert cohort.warnings == ()


def test_given_participants_when_read_then_split_dataset_and_the_other_columns_are_kept(
    bids: Path,
) -> None:
    table(bids, "sub-01\t40\ttrain\tIXI", "02\t50\tval\tn/a", "sub-03\tn/a\ttest\tIXI")
    cohort = read_bids(bids)
    assert {i.subject: i.split for i in cohort.images} == {
        "sub-01": "train",
        "sub-02": "val",
        "sub-03": "test",
    }
    assert {i.subject: i.dataset for i in cohort.images} == {
        "sub-01": "IXI",
        "sub-02": "data",
        "sub-03": "IXI",
    }
    assert [subject.columns["age"] for subject in cohort.subjects()] == ["40", "50", ""]


def test_given_a_table_and_folders_that_disagree_when_read_then_both_are_named(bids: Path) -> None:
    table(bids, "sub-01\t40\t\t", "sub-02\t41\t\t", "sub-99\t42\t\t")
    assert read_bids(bids).warnings == (
        "1 subjects of participants.tsv have no T1w scan: sub-99",
        "1 scanned subjects are not in participants.tsv: sub-03",
    )


def test_given_two_rows_of_one_subject_that_differ_when_read_then_it_is_an_error(
    bids: Path,
) -> None:
    table(bids, "sub-01\t40\ttrain\t", "sub-01\t40\ttest\t")
    with pytest.raises(BadRequest, match="sub-01 has two rows that differ"):
        read_bids(bids)


def test_given_derivatives_when_read_then_each_scan_gets_its_own(bids: Path) -> None:
    for name in (
        "robex/sub-01/anat/sub-01_desc-brain_mask.nii.gz",
        "robex/sub-02/anat/sub-02_acq-mprage_run-2_desc-brain_mask.nii.gz",
        "bronze/sub-01/anat/sub-01_space-grid_seg-AAL_dseg.nii.gz",
        "other/sub-03/ses-b/anat/sub-03_ses-b_atlas-AAL_dseg.nii.gz",
    ):
        scan(bids / "derivatives" / name)
    cohort = read_bids(bids)
    assert {i.id: i.mask.name for i in cohort.images if i.mask} == {
        "sub-01": "sub-01_desc-brain_mask.nii.gz",
        "sub-02_acq-mprage_run-2": "sub-02_acq-mprage_run-2_desc-brain_mask.nii.gz",
    }
    assert {i.id: i.label.name for i in cohort.images if i.label} == {
        "sub-01": "sub-01_space-grid_seg-AAL_dseg.nii.gz",
        "sub-03_ses-b": "sub-03_ses-b_atlas-AAL_dseg.nii.gz",
    }


def test_given_derivatives_in_standard_space_or_of_other_atlases_then_they_are_not_taken(
    bids: Path,
) -> None:
    for name in (
        "sub-01_space-MNI152NLin2009cAsym_desc-brain_mask.nii.gz",
        "sub-01_space-MNI152NLin2009cAsym_seg-AAL_dseg.nii.gz",
        "sub-01_desc-aseg_dseg.nii.gz",
        "sub-01_dseg.nii.gz",
    ):
        scan(bids / "derivatives" / "fmriprep" / "sub-01" / "anat" / name)
    cohort = read_bids(bids)
    assert (cohort.images[0].mask, cohort.images[0].label) == (None, None)
    assert [warning.split(" (")[0].split(" in ")[0] for warning in cohort.warnings] == [
        "2 label maps"
    ]


def test_given_two_masks_of_a_scan_when_read_then_the_first_by_path_is_used_and_said(
    bids: Path,
) -> None:
    for maker in ("b", "a"):
        scan(bids / "derivatives" / maker / "sub-01" / "anat" / "sub-01_desc-brain_mask.nii.gz")
    cohort = read_bids(bids)
    assert cohort.images[0].mask
    assert "derivatives/a/" in cohort.images[0].mask.as_posix()
    assert "1 scans have several brain masks" in cohort.warnings[0]


def test_given_links_to_nothing_and_doubles_when_read_then_they_are_left_out_and_said(
    bids: Path,
) -> None:
    (bids / "sub-04" / "anat").mkdir(parents=True)
    (bids / "sub-04" / "anat" / "sub-04_T1w.nii.gz").symlink_to(bids / ".git" / "annex" / "x")
    scan(bids / "sub-01" / "anat" / "sub-01_T1w.nii")
    cohort = read_bids(bids)
    assert [image.subject for image in cohort.images] == [
        "sub-01",
        *["sub-02"] * 2,
        *["sub-03"] * 2,
    ]
    assert cohort.images[0].path.name == "sub-01_T1w.nii.gz"
    absent, double = cohort.warnings
    assert absent.startswith("1 files are links to content that is not there (sub-04_T1w.nii.gz)")
    assert double.startswith(
        "1 files lie beside a compressed file of the same name (sub-01_T1w.nii)"
    )


def test_given_only_derivatives_when_read_then_the_message_says_what_was_looked_for(
    tmp_path: Path,
) -> None:
    scan(tmp_path / "derivatives" / "x" / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    with pytest.raises(BadRequest, match="no scan under sub-"):
        read_bids(tmp_path)
