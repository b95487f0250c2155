from __future__ import annotations

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from parcela.atlas.aal import regions
from parcela.errors import BadRequest
from parcela.imaging.volume import read_volume
from parcela_training.cohorts import virtual_cohort as virtual
from parcela_training.cohorts.cohort import Cohort
from parcela_training.cohorts.find import find_cohort
from parcela_training.cohorts.split import split_cohort
from parcela_training.cohorts.split_sizes import Sizes
from parcela_training.cohorts.virtual.mould import mould
from parcela_training.cohorts.virtual.subject import VirtualSubject, virtual_subject
from parcela_training.cohorts.virtual_cohort import write_virtual_cohort


@pytest.fixture(scope="module")
def subject() -> VirtualSubject:
    return virtual_subject(0, 1)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return write_virtual_cohort(tmp_path_factory.mktemp("virtual"), 3, spacing_mm=4)


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def labels_of(path: Path | None) -> NDArray[np.uint8]:
    assert path
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    return np.asarray(image.dataobj).astype(np.uint8)


def test_given_colin27_then_its_brain_is_one_piece_without_holes_and_holds_every_label() -> None:
    colin = mould()
    assert ndimage.label(colin.mask)[1] == 1
    assert np.array_equal(ndimage.binary_fill_holes(colin.mask), colin.mask)
    assert colin.mask[colin.labels > 0].all()


def test_given_a_subject_then_all_regions_are_there_with_their_sides_right(
    subject: VirtualSubject,
) -> None:
    assert np.unique(subject.labels).tolist() == list(range(117))
    centres = ndimage.center_of_mass(
        np.ones(subject.labels.shape), subject.labels, np.arange(1, 117)
    )
    x_mm = [float((subject.affine @ [*centre, 1])[0]) for centre in centres]
    pairs = [(r.index, r.partner) for r in regions() if r.hemisphere == "L" and r.partner]
    assert len(pairs) == 54
    assert all(x_mm[left - 1] < x_mm[right - 1] for left, right in pairs)


def test_given_a_subject_then_the_image_shows_what_the_labels_say(subject: VirtualSubject) -> None:
    assert not subject.scan[~subject.mask].any()
    assert subject.mask[subject.labels > 0].all()
    # The thalamus is darker than the white matter, which AAL leaves unlabelled, and brighter than most of the cortex.
    white = np.percentile(subject.scan[subject.mask & (subject.labels == 0)], 75)
    thalamus = np.median(subject.scan[np.isin(subject.labels, (77, 78))])
    cortex = np.median(subject.scan[np.isin(subject.labels, (1, 2, 57, 58))])
    assert cortex < thalamus < white


def test_given_a_subject_then_its_size_is_human_and_no_edge_is_cut(subject: VirtualSubject) -> None:
    assert 1000 < subject.drawn["brain_ml"] < 1900
    assert subject.drawn["jacobian_min"] > 0
    inner = subject.mask[1:-1, 1:-1, 1:-1]
    assert inner.sum() == subject.mask.sum()


def test_given_two_subjects_then_their_anatomy_differs(subject: VirtualSubject) -> None:
    other = virtual_subject(0, 2)
    same = (subject.labels == other.labels)[(subject.labels > 0) | (other.labels > 0)]
    assert 0.1 < same.mean() < 0.8


def test_given_finer_voxels_then_the_subject_is_the_same_person() -> None:
    coarse, fine = (virtual_subject(3, 5, spacing_mm=mm) for mm in (4, 2))
    np.testing.assert_array_equal(fine.labels[::2, ::2, ::2], coarse.labels)


def test_given_a_whole_head_then_there_is_skull_around_the_brain(subject: VirtualSubject) -> None:
    head = virtual_subject(0, 1, spacing_mm=4, extent="head")
    brain = virtual_subject(0, 1, spacing_mm=4)
    assert (head.scan[~head.mask] > 100).sum() > 0.3 * head.mask.sum()
    assert head.drawn["brain_ml"] == pytest.approx(brain.drawn["brain_ml"], rel=1e-3)


def test_given_a_virtual_cohort_when_found_then_it_is_bids_with_masks_and_labels_on_the_scans_grid(
    cohort: Cohort,
) -> None:
    assert find_cohort(cohort.root) == cohort
    assert cohort.warnings == ()
    assert [(i.id, i.dataset) for i in cohort.images] == [
        (f"sub-virtual{n:04d}", "virtual") for n in (1, 2, 3)
    ]
    for image in cohort.images:
        scan = read_volume(image.path)
        assert scan.warnings == ()
        assert scan.geometry.spacing_mm == (4, 4, 4)
        assert image.label
        assert image.mask
        np.testing.assert_array_equal(
            read_volume(image.label).geometry.affine, scan.geometry.affine
        )
        labels, mask = labels_of(image.label), labels_of(image.mask)
        assert labels.shape == mask.shape == scan.data.shape
        assert np.unique(labels).size == 117
        assert mask[labels > 0].all()
    assert split_cohort(cohort, asked=Sizes(1, 1, 1)).counts() == {"train": 1, "val": 1, "test": 1}


def test_given_a_killed_run_when_repeated_then_only_the_unfinished_is_made_and_the_bytes_are_the_same(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(done: int, of: int, name: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_virtual_cohort(tmp_path / "v", 3, spacing_mm=4, progress=killed)
    second = tmp_path / "v" / "sub-virtual0002" / "anat"
    (second / "sub-virtual0002_T1w.json").unlink()
    (second / "sub-virtual0002_T1w.nii.gz").write_bytes(b"half")
    (second / ".0123.part").write_bytes(b"half")

    drawn = []

    def counted(seed: int, number: int, **options: object) -> VirtualSubject:
        drawn.append(number)
        return virtual_subject(seed, number, spacing_mm=4)

    monkeypatch.setattr(virtual, "virtual_subject", counted)
    seen: list[tuple[int, int, str]] = []
    again = write_virtual_cohort(
        tmp_path / "v", 3, spacing_mm=4, progress=lambda *step: seen.append(step)
    )
    assert drawn == [2, 3]
    assert seen == [(n, 3, f"sub-virtual{n:04d}") for n in (1, 2, 3)]
    assert len(again.images) == 3
    assert hashes(tmp_path / "v") == hashes(cohort.root)


def test_given_a_larger_cohort_when_fewer_are_asked_for_then_just_those_are_returned(
    cohort: Cohort,
) -> None:
    before = hashes(cohort.root)
    fewer = write_virtual_cohort(cohort.root, 2, spacing_mm=4)
    assert fewer.images == cohort.images[:2]
    assert hashes(cohort.root) == before


def test_given_a_folder_that_was_claimed_and_no_more_when_written_then_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtual, "_write_subject", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_virtual_cohort(tmp_path, 1, spacing_mm=6)
    monkeypatch.undo()
    assert len(write_virtual_cohort(tmp_path, 1, spacing_mm=6).images) == 1


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("other", [{"seed": 1}, {"spacing_mm": 5}, {"extent": "head"}])
def test_given_another_recipe_when_written_to_the_same_folder_then_it_is_refused(
    cohort: Cohort, other: dict[str, object]
) -> None:
    options: dict[str, object] = {"spacing_mm": 4} | other
    with pytest.raises(BadRequest, match=r"holds another cohort .*choose another folder"):
        write_virtual_cohort(cohort.root, 3, **options)  # type: ignore[arg-type]


def test_given_a_folder_with_other_files_when_written_to_then_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(BadRequest, match="holds other files"):
        write_virtual_cohort(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


@pytest.mark.parametrize(
    ("subjects", "seed", "spacing_mm"), [(0, 0, 2.0), (1, -1, 2.0), (1, 0, 0.1), (1, 0, 9.0)]
)
def test_given_an_impossible_request_when_written_then_it_is_refused_before_anything_is_made(
    tmp_path: Path, subjects: int, seed: int, spacing_mm: float
) -> None:
    with pytest.raises(BadRequest):
        write_virtual_cohort(tmp_path / "v", subjects, seed=seed, spacing_mm=spacing_mm)
    assert not (tmp_path / "v").exists()
