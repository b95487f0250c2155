"""Scans made worse on purpose, and the tables of accuracy and losses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parcela.atlas.aal import CLASS_COUNT
from parcela.imaging.geometry import Geometry
from parcela.imaging.volume import Volume
from parcela_benchmarks import accuracy, robustness, volumes
from parcela_benchmarks.degrade import CONDITIONS, Degraded
from parcela_benchmarks.methods import DIGITS, MethodGroup
from parcela_training.journal import Row
from parcela_training.jsonable import to_jsonable
from parcela_training.preparation.prepared_set import PreparedImage
from training.prepared_images import made_up_cohort

SHAPE = (30, 24, 36)


@pytest.fixture
def scan() -> Volume:
    """Brighter upwards (the array's second axis), 2 mm voxels, the brain's middle off the world's origin."""
    affine = np.array([[2.0, 0, 0, -31], [0, 0, -2, 40], [0, 2, 0, -20], [0, 0, 0, 1]])
    data = np.broadcast_to(np.arange(24, dtype=np.float32)[:, None] + 1, SHAPE)
    return Volume(np.ascontiguousarray(data), Geometry.of_grid(SHAPE, affine))


@pytest.fixture
def mask() -> np.ndarray:
    found = np.zeros(SHAPE, np.uint8)
    found[8:22, 6:18, 10:26] = 1
    return found


def degraded(condition: str, scan: Volume, mask: np.ndarray) -> Degraded:
    return CONDITIONS[condition][1](scan, mask)


def middle_mm(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Where the mask's middle lies in the world."""
    middle: np.ndarray = affine[:3, :3] @ np.argwhere(mask).mean(0) + affine[:3, 3]
    return middle


def test_given_thick_slices_then_each_is_the_mean_of_what_it_covers(
    scan: Volume, mask: np.ndarray
) -> None:
    found = degraded("slices", scan, mask)

    assert found.scan.data.shape == (30, 16, 36)
    assert found.scan.geometry.spacing_mm == pytest.approx((2, 3, 2))
    # 1.5 old voxels each: (1 + 2 / 2) / 1.5, (2 / 2 + 3) / 1.5, …
    np.testing.assert_allclose(found.scan.data[0, :3, 0], [4 / 3, 8 / 3, 13 / 3], rtol=1e-6)
    assert found.mask is not None
    here, there = (
        middle_mm(mask, scan.geometry.affine),
        middle_mm(found.mask, found.scan.geometry.affine),
    )
    np.testing.assert_allclose(here, there, atol=0.51)


def test_given_a_rotation_then_the_scans_points_move_as_it_says(
    scan: Volume, mask: np.ndarray
) -> None:
    corner = mask.copy()
    corner[8:15] = 0  # half of the brain, to see where it goes
    data = scan.with_data(corner.astype(np.float32))

    found = degraded("rotation", data, mask)

    affine = scan.geometry.affine
    before, after = middle_mm(corner, affine), middle_mm(found.scan.data > 0.5, affine)
    moved = found.moved[:3, :3] @ before + found.moved[:3, 3]
    assert np.linalg.norm(moved - before) > 0.9
    np.testing.assert_allclose(after, moved, atol=0.3)
    assert np.degrees(np.arccos((np.trace(found.moved[:3, :3]) - 1) / 2)) == pytest.approx(10)


@pytest.mark.parametrize(("condition", "darker"), [("gamma-0.7", False), ("gamma-1.4", True)])
def test_given_a_gamma_then_the_brightest_stays_and_the_rest_moves(
    scan: Volume, mask: np.ndarray, condition: str, darker: bool
) -> None:
    found = degraded(condition, scan, mask).scan.data

    assert found[0, 17, 0] == pytest.approx(18, rel=0.02)  # the brain's brightest
    assert (found[0, 8, 0] < 9) == darker


def test_given_a_bias_field_then_its_bright_side_is_well_above_its_dark_one(
    mask: np.ndarray,
) -> None:
    affine = np.diag([6.0, 6.0, 6.0, 1.0])
    flat = Volume(np.ones(SHAPE, np.float32), Geometry.of_grid(SHAPE, affine))

    field = degraded("bias", flat, mask).scan.data

    assert 2.5 < field.max() / field.min() < 2.8
    assert abs(np.diff(np.log(field), axis=0)).max() < 0.1


def test_given_every_condition_then_the_scan_itself_stays(scan: Volume, mask: np.ndarray) -> None:
    before = scan.data.copy()

    masks = {name: degraded(name, scan, mask).mask is None for name in CONDITIONS}

    np.testing.assert_array_equal(scan.data, before)
    assert [name for name, absent in masks.items() if absent] == ["deepbet"]


def row(labels: float, raw_labels: float) -> dict[str, object]:
    return {
        "opened": [labels] * CLASS_COUNT,
        "unopened": [raw_labels] * CLASS_COUNT,
        "seconds": 2.0,
        "mm3": [[900.0 * labels] * 116, [450.0] * 116],
    }


def counted(fail_at: int = 0) -> tuple[MethodGroup, list[PreparedImage]]:
    seen: list[PreparedImage] = []

    def run(subject: PreparedImage) -> dict[str, object]:
        if len(seen) + 1 == fail_at:
            raise KeyboardInterrupt
        seen.append(subject)
        return {"a": row(0.5, 0.25 * len(seen)), "b": row(1.0, 1.0)}

    return MethodGroup("pair", {"a": "method A", "b": "method B"}, run, None, {"seed": 1}), seen


def test_given_methods_that_were_killed_when_repeated_then_no_image_is_run_twice(
    tmp_path: Path,
) -> None:
    prepared = made_up_cohort(tmp_path / "p")
    group, _ = counted(fail_at=2)
    with pytest.raises(KeyboardInterrupt):
        accuracy.run_methods(group, prepared, "test", tmp_path, lambda *_: None)

    group, seen = counted()
    results = accuracy.run_methods(group, prepared, "test", tmp_path, lambda *_: None)

    assert len(seen) == 2
    rows = accuracy.records(results)
    table = accuracy.table(rows, "test")
    assert table.columns[4:6] == ("made-up A", "made-up B")
    assert [r[:4] for r in table.rows[::2]] == [
        ("method A", "opened", "3", "0.5000 ± 0.0000"),
        ("method B", "opened", "3", "1.0000 ± 0.0000"),
    ]
    assert table.rows[1][5] == "0.2500 ± n/a"  # one image of that data set
    assert rows[0]["mean_dice"] == [0.5, 0.0]
    assert rows[0]["dice_by_image"] == [0.5, 0.5, 0.5]
    sizes = volumes.table(rows, "test").rows
    assert [r[2] for r in sizes] == ["+0.0 ± 0.0", "+100.0 ± 0.0"]
    assert sizes[1][4] == "+100.0 (most: Precentral_L +100)"


def test_given_rows_of_an_earlier_run_when_a_method_is_measured_again_then_only_its_own_give_way() -> (
    None
):
    def rows(method: str, machine: str) -> list[Row]:
        return [{"method": method, "labels": kind, "measured_on": machine} for kind in "ou"]

    kept = [*rows("U-Net", "old"), *rows("affine", "old")]

    found = accuracy.merged(kept, rows("U-Net", "new"), ["affine", "U-Net", "SyN"])

    assert found == [*rows("affine", "old"), *rows("U-Net", "new")]


def test_given_the_deep_structures_then_they_are_twelve_and_no_neighbour() -> None:
    from parcela.atlas.aal import region

    names = {region(index).name for index in accuracy.deep_ids()}

    assert len(names) == 12
    assert {"Hippocampus_L", "Pallidum_R"} <= names
    assert "ParaHippocampal_L" not in names


def rows_of(level: Callable[[int], float], names: str) -> dict[str, dict[str, object]]:
    values = {name: to_jsonable(np.full(CLASS_COUNT, level(ord(name))), DIGITS) for name in names}
    return {name: dict.fromkeys(robustness.JUDGED, found) for name, found in values.items()}


def test_given_scans_made_worse_when_compared_then_each_is_paired_with_itself() -> None:
    rows = {
        "as-is": rows_of(lambda c: c / 200, "abcd"),
        "bias": rows_of(lambda c: c / 200 - (0.04 if c < ord("c") else 0.06), "abcd"),
        "deepbet": rows_of(lambda c: c / 200, "bd"),
    }

    found = robustness.losses(rows, {"a": "one", "b": "one", "c": "two", "d": "two"})

    assert [(loss.condition, loss.model) for loss in found] == [
        (name, model) for name in ("bias", "deepbet") for model in robustness.JUDGED
    ]
    assert found[0].lost.mean_difference == pytest.approx(0.05)
    assert (found[-1].lost.n, found[-1].lost.mean_difference) == (2, 0)
    assert found[0].by_dataset == pytest.approx({"one": 0.04, "two": 0.06})
    assert robustness.table(found, "test").rows[0][4:] == (
        *("+0.0500", "+0.0400 to +0.0600", "+0.0400", "+0.0600"),
    )


def test_given_a_sheared_grid_then_a_region_has_the_volume_of_its_voxels() -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[:2] = 3
    affine = np.array([[2.0, 1, 0, 5], [0, -1.5, 0, 5], [0, 0, 1, 5], [0, 0, 0, 1]])

    found = volumes.region_mm3(labels, affine)

    assert found.shape == (116,)
    assert (found[2], found.sum()) == (pytest.approx(32 * 3), pytest.approx(32 * 3))


def test_given_volumes_that_follow_the_head_alone_then_the_shares_have_no_r() -> None:
    people = np.random.default_rng(0)
    heads = np.linspace(0.8, 1.2, 12)[:, None]
    found, label = (
        heads * mm3 * (1 + 0.02 * people.standard_normal((12, 116))) for mm3 in (1100, 1000)
    )

    agreed = volumes.agreement(found, label)

    assert agreed.bias.mean == pytest.approx(0.1, abs=0.01)
    assert np.median(agreed.volume_r) > 0.95
    assert abs(np.median(agreed.share_r)) < 0.2
    with pytest.raises(ValueError, match="2 people are too few"):
        volumes.agreement(label[:2], label[:2])
    itself = volumes.agreement(label, label)
    assert (itself.error.mean, itself.volume_r.min(), itself.share_r.min()) == (
        0,
        pytest.approx(1),
        pytest.approx(1),
    )


def test_given_a_region_that_a_label_lacks_then_it_has_no_r_and_its_image_a_mean() -> None:
    label = np.random.default_rng(0).uniform(500, 900, (5, 116))
    found = label * 1.1
    label[2, 7] = 0

    agreed = volumes.agreement(found, label)

    assert np.flatnonzero(np.isnan(agreed.volume_r)).tolist() == [7]
    assert agreed.error.mean == pytest.approx(0.1)
    assert agreed.region_bias == pytest.approx(np.full(116, 0.1))
    assert volumes.record(agreed)["volume_r"]["Frontal_Mid_R"] is None
