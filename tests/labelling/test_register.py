"""Real registrations by ANTs, on grids coarse enough to take seconds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import ants
import numpy as np
import pytest
from numpy.typing import NDArray

from in_process import run_here
from labelling import coarse
from parcela.atlas.aal import atlas_labels
from parcela.atlas.counts import dice
from parcela.errors import BadRequest
from parcela.imaging.standard_space import LPS
from parcela.processes.isolation import run_isolated
from parcela_labelling.check import check_registration
from parcela_labelling.label import label
from parcela_labelling.register import Method, Registration, register
from parcela_labelling.transforms import AFFINE, INVERSE_WARP, WARP

LARGE = (1, 2, 7, 8, 43, 44, 55, 56, 85, 86, 93, 94)  # regions with some hundred voxels at 4 mm


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registrations need no process each; one test starts one, and compares."""
    monkeypatch.setattr("parcela_labelling.register.run_isolated", run_here)


@cache
def registered(method: Method = "antsRegistrationSyNQuick[s]") -> Registration:
    image, _, trail = coarse.scan()
    return register(image, trail, method=method, atlas=coarse.atlas())


def world(index: NDArray[np.int_], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Voxel indices, (n, 3), as points in mm."""
    return np.asarray(index @ affine[:3, :3].T + affine[:3, 3])


def test_given_a_moved_and_bent_brain_when_registered_then_its_labels_are_found() -> None:
    _, truth, _ = coarse.scan()
    found = registered()
    assert found.labels.shape == truth.shape
    assert found.labels.dtype == np.uint8
    assert np.nanmean(dice(found.labels, truth)) > 0.78
    assert set(found.transforms.files) == {AFFINE, WARP, INVERSE_WARP}
    assert check_registration(coarse.scan()[0], found).verdict != "failed"


def test_given_an_affine_registration_then_it_has_no_warp_and_does_less_well() -> None:
    _, truth, _ = coarse.scan()
    found = registered("Affine")
    assert set(found.transforms.files) == {AFFINE}
    assert (
        0.7 < np.nanmean(dice(found.labels, truth)) < np.nanmean(dice(registered().labels, truth))
    )


@pytest.mark.parametrize("region", LARGE)
def test_given_a_region_of_the_scan_when_mapped_then_it_lies_on_aals_own(region: int) -> None:
    _, truth, trail = coarse.scan()
    aal, colin = atlas_labels()
    mapped = registered().transforms.scan_to_atlas(
        world(np.argwhere(truth == region), trail.model.affine)
    )
    drawn = world(np.argwhere(aal == region), colin)
    assert np.linalg.norm(mapped.mean(0) - drawn.mean(0)) < 3.0  # mm; a voxel has 4


def test_given_points_of_the_brain_when_mapped_there_and_back_then_they_return() -> None:
    image, _, trail = coarse.scan()
    points = world(np.argwhere(image > 0), trail.model.affine)[::17]
    transforms = registered().transforms
    back = transforms.atlas_to_scan(transforms.scan_to_atlas(points))
    assert np.linalg.norm(back - points, axis=1).max() < 1.0


def test_given_the_same_files_when_ants_maps_points_then_it_agrees(tmp_path: Path) -> None:
    image, _, trail = coarse.scan()
    transforms, folder = registered().transforms, tmp_path
    for name, content in transforms.files.items():
        (folder / name).write_bytes(content)
    points = world(np.argwhere(image > 0), trail.model.affine)[::101]
    warp = ants.transform_from_displacement_field(ants.image_read(str(folder / WARP)))
    affine = ants.read_transform(str(folder / AFFINE))
    there = [affine.apply_to_point(warp.apply_to_point(point.tolist())) for point in points * LPS]
    expected = np.asarray(there) * LPS
    np.testing.assert_allclose(transforms.scan_to_atlas(points), expected, atol=1e-3)


@pytest.mark.slow
def test_given_one_image_when_registered_twice_then_every_byte_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, _, trail = coarse.scan()
    monkeypatch.setattr("parcela_labelling.register.run_isolated", run_isolated)
    again = register(image, trail, method="antsRegistrationSyNQuick[s]", atlas=coarse.atlas())
    assert again.labels.tobytes() == registered().labels.tobytes()
    assert again.brain.tobytes() == registered().brain.tobytes()
    assert again.transforms.files == registered().transforms.files


@pytest.mark.parametrize("axis", [1, 2])
def test_given_an_atlas_the_wrong_way_round_when_registered_then_the_check_says_failed(
    axis: int,
) -> None:
    image, _, trail = coarse.scan()
    known = coarse.atlas()
    brain, labels = (np.ascontiguousarray(np.flip(a, axis)) for a in (known.brain, known.labels))
    found = register(image, trail, atlas=replace(known, brain=brain, labels=labels))
    check = check_registration(image, found)
    assert check.verdict == "failed"
    assert "labels lie outside the scan's brain" in "; ".join(check.reasons)


def test_given_an_unknown_method_then_the_known_ones_are_named() -> None:
    image, _, trail = coarse.scan()
    with pytest.raises(BadRequest, match="choose from SyN, "):
        register(image, trail, method="rigid")  # type: ignore[arg-type]


def test_when_an_image_is_labelled_then_the_registered_map_is_opened_and_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("parcela_labelling.register.colin27", coarse.atlas)
    image, _, trail = coarse.scan()
    steps: list[str] = []
    done = label(image, trail, opening="thesis", method="Affine", on_step=steps.append)
    assert steps == list(done.seconds) == ["registration", "opening", "check"]
    np.testing.assert_array_equal(done.registered, registered("Affine").labels)
    assert 0 < np.count_nonzero(done.labels) < np.count_nonzero(done.registered)
    assert done.check.measures == check_registration(image, registered("Affine")).measures
