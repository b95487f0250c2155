from __future__ import annotations

from pathlib import Path

import pytest

from cohort_files import SERIES, adni, scan
from parcela.errors import BadRequest
from parcela_training.cohorts.adni import read_adni


def test_given_a_download_when_read_then_every_image_knows_its_subject_visit_and_series(
    tmp_path: Path,
) -> None:
    cohort = read_adni(adni(tmp_path, [2, 1]))
    assert [(i.id, i.subject, i.session, i.series) for i in cohort.images] == [
        ("000_S_0000_I100001", "000_S_0000", "2006-04-18", SERIES),
        ("000_S_0000_I100002", "000_S_0000", "2007-04-18", SERIES),
        ("001_S_0001_I100003", "001_S_0001", "2006-04-18", SERIES),
    ]
    assert cohort.images[0].date == "2006-04-18_08_20_30.0"
    assert all(image.path.is_file() for image in cohort.images)
    assert cohort.warnings == ()


@pytest.mark.parametrize("below", ["ADNI", "ADNI/000_S_0000"])
def test_given_a_folder_inside_the_download_when_read_then_nothing_is_lost(
    tmp_path: Path, below: str
) -> None:
    adni(tmp_path, [2])
    assert [i.id for i in read_adni(tmp_path / below).images] == [
        "000_S_0000_I100001",
        "000_S_0000_I100002",
    ]


def test_given_two_files_of_one_image_when_read_then_both_are_images_with_ids_of_their_own(
    tmp_path: Path,
) -> None:
    adni(tmp_path, [1])
    (first,) = tmp_path.rglob("*.nii")
    scan(first.with_name("other.nii"))
    ids = [image.id for image in read_adni(tmp_path).images]
    assert len(set(ids)) == 2
    assert all(name.startswith("000_S_0000_I100001-") for name in ids)


def test_given_masks_other_contrasts_and_stray_files_when_read_then_each_is_said(
    tmp_path: Path,
) -> None:
    adni(tmp_path, [1])
    folder = tmp_path / "ADNI" / "000_S_0000"
    scan(folder / "Hippocampal_Mask" / "2006-04-18" / "I7" / "m.nii")
    scan(folder / "Axial_PD_T2_FSE" / "2006-04-18" / "I8" / "p.nii")
    scan(tmp_path / "notes" / "x.nii")
    cohort = read_adni(tmp_path)
    assert [image.id for image in cohort.images] == ["000_S_0000_I100001", "000_S_0000_I8"]
    outside, masks, contrast = cohort.warnings
    assert outside == "1 NIfTI files lie outside ADNI's layout (x): left out"
    assert masks.startswith("1 files are masks or the like by their series (Hippocampal_Mask)")
    assert contrast.startswith("1 images have a series name that does not sound T1-weighted (Axial")


def test_given_dicom_only_when_read_then_the_message_names_the_converter(tmp_path: Path) -> None:
    folder = tmp_path / "ADNI" / "002_S_0295" / "MPRAGE" / "2006-04-18" / "I118671"
    folder.mkdir(parents=True)
    (folder / "a.dcm").write_bytes(b"DICM")
    with pytest.raises(BadRequest, match="1 DICOM files: convert them with dcm2niix"):
        read_adni(tmp_path)
