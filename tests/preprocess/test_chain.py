"""The nine steps: the presets against MONAI's own transforms composed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import (
    Compose,
    CropForeground,
    HistogramNormalize,
    Orientation,
    Resize,
    ScaleIntensity,
    Spacing,
)
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from in_process import run_here
from parcela.errors import BadScan
from parcela.imaging.geometry import Geometry
from parcela.imaging.volume import Volume
from parcela.options import Preset
from parcela_preprocess import native_tasks
from parcela_preprocess.chain import compose, geometric_steps, steps
from parcela_preprocess.preprocess import preprocess
from parcela_preprocess.transforms import SetOriginToZeroWithANTsd
from phantoms import Phantom, sample

WHOLE = Phantom("whole", axes="PSR", spacing_mm=(6.0, 6.4, 5.6), degrees=(5.0, 4.0, -6.0))
SMALL = replace(WHOLE, size=0.4)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """N4 in this process: one test has it in its own."""
    monkeypatch.setattr("parcela_preprocess.transforms.n4.run_isolated", run_here)


@pytest.fixture(scope="module")
def scan() -> Volume:
    """Colin27's brain, small, coarse, permuted and oblique."""
    return volume(SMALL)


def volume(phantom: Phantom) -> Volume:
    image, _ = sample(phantom)
    affine, (x, y, z) = phantom.affine()
    return Volume(np.round(image), Geometry.of_grid((x, y, z), affine))


def by_hand(image: MetaTensor) -> MetaTensor:
    """Steps 3 to 9 with MONAI's array transforms and ANTs' rule for the origin, written down once more."""
    found: Any = Spacing(pixdim=(1.0, 1.0, 1.0))(image)
    found = Orientation(axcodes="RAS", labels=None)(found)
    found = HistogramNormalize()(found)
    found = ScaleIntensity()(found)
    found = CropForeground()(found)
    found.affine[:3, 3] = 0
    return cast(MetaTensor, Resize(spatial_size=(91, 122, 123))(found))


def test_given_a_scan_when_the_thesis_chain_runs_then_it_equals_monai_by_hand(
    here: None, scan: Volume
) -> None:
    done = preprocess(scan, preset="thesis", mask=(scan.data > 0).astype(np.uint8))
    origin, spacing, direction = scan.geometry.itk_frame()
    corrected = run_here(
        "n4",
        {
            "image": scan.data * done.brain_mask,
            "origin": np.asarray(origin),
            "spacing": np.asarray(spacing),
            "direction": direction,
        },
        module=native_tasks.__name__,
    )["image"]
    expected = by_hand(
        MetaTensor(torch.from_numpy(corrected[None]), affine=torch.from_numpy(scan.geometry.affine))
    )
    assert list(done.record.seconds) == [
        "skull-strip",
        "bias",
        "spacing",
        "orientation",
        "histogram",
        "intensity",
        "crop",
        "origin",
        "resize",
    ]
    np.testing.assert_allclose(done.image, np.asarray(expected[0]), atol=1e-6)
    removed = np.eye(4)
    removed[:3, 3] = done.trail.removed_origin_mm
    np.testing.assert_allclose(
        done.trail.model.affine, removed @ np.asarray(expected.affine), atol=1e-6
    )


@pytest.mark.slow
def test_given_the_modern_preset_when_a_scan_is_turned_by_whole_axes_then_the_image_is_the_same(
    here: None,
    scan: Volume,
) -> None:
    given = np.ones(scan.geometry.shape, np.uint8)
    done = preprocess(scan, mask=given)
    turned_affine = scan.geometry.affine.copy()
    turned_affine[:3, 0] *= -1
    turned_affine[:3, 3] += scan.geometry.affine[:3, 0] * (scan.geometry.shape[0] - 1)
    turned = Volume(scan.data[::-1].copy(), Geometry.of_grid(scan.geometry.shape, turned_affine))
    again = preprocess(turned, mask=given)
    np.testing.assert_array_equal(done.image, again.image)
    np.testing.assert_allclose(done.trail.model.affine, again.trail.model.affine, atol=1e-9)


def test_given_another_mask_when_a_grid_is_asked_for_then_the_image_lies_on_it_at_once(
    here: None, scan: Volume
) -> None:
    whole = (scan.data > 0).astype(np.uint8)
    own = preprocess(scan, mask=whole)
    smaller = whole.copy()
    for axis in range(3):
        reach = np.flatnonzero(whole.any(axis=tuple({0, 1, 2} - {axis})))
        np.moveaxis(smaller, axis, 0)[: reach[0] + 2] = 0
    moved = preprocess(scan, mask=smaller)
    assert np.abs(moved.trail.model.affine - own.trail.model.affine).max() > 1

    same = preprocess(scan, mask=whole, onto=own.trail.model)
    there = preprocess(scan, mask=smaller, onto=own.trail.model)

    np.testing.assert_array_equal(same.image, own.image)
    np.testing.assert_allclose(there.trail.model.affine, own.trail.model.affine, atol=1e-4)
    shifts = [np.roll(there.image, by, axis) for by in (-1, 1) for axis in range(3)]
    alike = [
        np.corrcoef(image[own.image > 0], own.image[own.image > 0])[0, 1]
        for image in (there.image, *shifts)
    ]
    assert int(np.argmax(alike)) == 0


def test_given_a_stripped_scan_when_preprocessed_then_it_is_said_so_and_its_brain_kept() -> None:
    scan = volume(WHOLE)  # of a brain's own size, as the sign of a stripped scan is
    done = preprocess(scan)
    assert any("already skull-stripped" in warning for warning in done.record.warnings)
    assert done.record.parameters["stripped_by"] == "scan"
    assert (done.brain_mask[scan.data > 0] == 1).mean() > 0.99
    assert done.image.shape == (91, 122, 123)
    assert 0 <= done.image.min() < done.image.max() <= 1


def on_the_grid(image: NDArray[np.float32], degrees: float = 0.0) -> Volume:
    """An image of the networks' own shape, the grid turned about x."""
    affine = np.diag([1.5, 1.4, 1.3, 1.0])
    affine[:3, :3] = Rotation.from_euler("x", degrees, degrees=True).as_matrix() @ affine[:3, :3]
    return Volume(image, Geometry.of_grid((91, 122, 123), affine))


def ball(radius: float) -> NDArray[np.float32]:
    """Noise in an ellipsoid, a share of the grid's half sides long."""
    index = np.indices((91, 122, 123)).T / np.array([45.0, 60.5, 61.0]) - 1
    noise = np.random.default_rng(0).uniform(0.1, 1, (91, 122, 123))
    return np.where(radius**2 > (index**2).sum(axis=-1).T, noise, 0).astype(np.float32)


def test_given_an_image_on_the_grid_when_not_to_be_preprocessed_then_it_goes_straight_in() -> None:
    image = ball(1.0)
    done = preprocess(on_the_grid(image), preprocess=False)
    assert done.image is image
    assert done.record.seconds == {}
    assert done.record.warnings == ()
    np.testing.assert_allclose(done.trail.scan_to_model(), np.eye(4), atol=1e-12)


@pytest.mark.parametrize("preset", ["modern", "thesis"])
def test_given_an_image_on_the_grid_that_is_no_brain_then_it_is_looked_at_as_any_other(
    preset: Preset,
) -> None:
    noise = np.random.default_rng(0).random((91, 122, 123), np.float32)
    with pytest.raises(BadScan, match="no skull-stripped brain"):
        preprocess(on_the_grid(noise), preset=preset, preprocess=False)
    half = ball(1.0)
    half[:, :, 60:] = 0
    warnings = preprocess(on_the_grid(half), preset=preset, preprocess=False).record.warnings
    assert any("CUTS THE BRAIN at the top" in warning for warning in warnings)
    tilted = preprocess(on_the_grid(ball(1.0), 30), preset=preset, preprocess=False)
    assert any("TILTED BY 30°" in warning for warning in tilted.record.warnings)


def test_given_the_origin_step_when_inverted_then_the_affine_is_back() -> None:
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, 3] = torch.tensor([3.0, -4.0, 5.0])
    image = MetaTensor(torch.rand(1, 4, 5, 6), affine=affine)
    step = SetOriginToZeroWithANTsd("image")
    moved = step({"image": image})
    assert moved["image"].affine[:3, 3].tolist() == [0, 0, 0]
    assert moved["removed_origin_mm"] == (3.0, -4.0, 5.0)
    back = step.inverse(moved)
    assert back["image"].affine[:3, 3].tolist() == [3, -4, 5]
    assert not back["image"].applied_operations


def test_given_the_geometric_steps_when_inverted_by_monai_then_grid_and_place_are_the_scans(
    scan: Volume,
) -> None:
    chain = Compose([step for _, step in geometric_steps()])
    image = MetaTensor(
        torch.from_numpy(scan.data[None]), affine=torch.from_numpy(scan.geometry.affine)
    )
    back = chain.inverse(chain({"image": image}))["image"]
    assert tuple(back.shape[1:]) == scan.geometry.shape
    np.testing.assert_allclose(np.asarray(back.affine), scan.geometry.affine, atol=1e-5)


def test_given_the_presets_when_listed_then_each_step_wraps_what_it_is_named_for() -> None:
    thesis = [type(step).__name__ for _, step in steps("thesis")]
    assert thesis == [
        "SkullStripWithROBEXd",
        "N4BiasCorrectionWithANTsd",
        "Spacingd",
        "Orientationd",
        "HistogramNormalized",
        "ScaleIntensityd",
        "CropForegroundd",
        "SetOriginToZeroWithANTsd",
        "Resized",
    ]
    assert [type(step).__name__ for step in compose("thesis").transforms] == thesis
    assert type(steps("modern", "deepbet")[0][1]).__name__ == "SkullStripWithDeepbetd"
