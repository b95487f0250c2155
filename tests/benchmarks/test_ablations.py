"""A cohort at half its grid, and what is measured on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parcela.options import Network
from parcela_benchmarks import ablations
from parcela_benchmarks.half_grid import halve, halved
from parcela_training.preparation.prepared_set import PreparedImage
from training.prepared_images import made_up_cohort


def test_given_an_odd_grid_when_halved_then_means_majorities_and_the_place_in_the_world() -> None:
    image = np.zeros((3, 2, 2), np.float16)
    image[:2] = 0.5
    image[2, 0, 0] = 0.8
    label = np.zeros((3, 2, 2), np.uint8)
    label[:2] = [[[7, 7], [7, 9]], [[9, 9], [7, 7]]]
    affine = np.diag([2.0, 2.0, 2.0, 1.0])

    found = halve(PreparedImage(image, label, label, affine))

    assert found.image.shape == found.label.shape == (2, 1, 1)
    np.testing.assert_allclose(found.image[:, 0, 0], [0.5, 0.1], atol=1e-3)
    assert found.label[:, 0, 0].tolist() == [7, 0]
    # voxel 0 now stands for voxels 0 and 1: their middle
    np.testing.assert_allclose(found.affine @ [0, 0, 0, 1], affine @ [0.5, 0.5, 0.5, 1])
    np.testing.assert_allclose(found.affine @ [1, 0, 0, 1], affine @ [2.5, 0.5, 0.5, 1])


def test_given_a_cohort_when_halved_twice_then_the_test_images_are_not_in_it(
    tmp_path: Path,
) -> None:
    whole = made_up_cohort(tmp_path / "whole", (32, 32, 32))

    once = halved(whole, tmp_path / "half")
    times = [file.stat().st_mtime_ns for file in once.files("train")]
    twice = halved(whole, tmp_path / "half")

    assert once.shape == (16, 16, 16)
    assert not twice.files("test")
    assert [file.stat().st_mtime_ns for file in twice.files("train")] == times


def test_given_the_plan_then_every_change_is_tried_where_it_changes_something() -> None:
    planned = ablations.plan(ablations.STEPS)

    names = {change: [s.model for c, s in planned if c == change] for change, _ in planned}
    assert set(names) == set(ablations.CHANGES)
    assert all(
        s != ablations.base_recipe(s.model, ablations.STEPS[s.model]) for _, s in planned[2:]
    )
    assert names["no first steps at half resolution"] == ["unet"]
    assert names["HighResNet's last ReLU kept"] == ["highresnet"]
    assert names["constant learning rate"] == ["unet", "highresnet"]


@pytest.mark.slow
def test_given_two_changes_when_trained_then_both_stand_beside_the_recipe_and_are_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = (ablations.RECIPE, "no augmentation")
    monkeypatch.setattr(ablations, "CHANGES", {name: ablations.CHANGES[name] for name in kept})
    monkeypatch.setattr(ablations, "BOTH", ("unet",))
    prepared = made_up_cohort(tmp_path / "cohort", (32, 32, 32))
    steps: dict[Network, int] = {"unet": 2}
    told: list[str] = []

    def tell(_done: int, _of: int, what: str) -> None:
        told.append(what)

    rows = ablations.run_recipe(prepared, tmp_path / "work", tell, steps)
    monkeypatch.setattr(ablations, "train", None)
    again = ablations.run_recipe(prepared, tmp_path / "work", tell, steps)

    assert again == rows
    assert [line.split(",")[0] for line in told[:2]] == [f"unet: {name}" for name in kept]
    recipe, bare = ablations.ablations(rows, ablations.RECIPE)
    assert recipe.gain is None
    assert bare.gain is not None
    assert bare.gain[0] == pytest.approx(bare.dice - recipe.dice)
    text = ablations.table("3", "t", [recipe, bare], "n").rows
    assert text[0][3] == ""
    assert text[1][3].startswith(("+", "−"))


def test_given_rows_of_another_machine_when_a_change_is_tried_again_then_its_recipe_stays_for_the_others() -> (
    None
):
    def trial(change: str, gain: float | None, machine: str) -> ablations.Ablation:
        gained = None if gain is None else (gain, gain, gain)
        return ablations.Ablation(change, "unet", 0.5, gained, 0, 1.0, 3, machine)

    seed, fewer = "another seed: the noise of this table", ablations.FEWER
    kept = [trial(ablations.RECIPE, None, "old"), trial(seed, 0.1, "old"), trial(fewer, 0.2, "old")]
    found = [trial(ablations.RECIPE, None, "new"), trial(fewer, 0.3, "new")]

    assert ablations.merged(kept, found) == [*kept[:2], *found]
    assert ablations.merged(ablations.merged(kept, found), found) == [*kept[:2], *found]
    assert ablations.merged([kept[0], kept[2]], found) == found
    assert ablations.merged(kept, []) == kept
    there = trial(ablations.RECIPE, None, "Maker, 2 cores, 24 GB, 1 threads of PyTorch")
    machines = [row[-1] for row in ablations.table("3", "t", [kept[0], there], "n").rows]
    assert machines == ["old", "Maker, 1 threads of PyTorch"]


def test_given_a_region_in_two_parts_then_the_larger_stays_and_the_rest_is_background() -> None:
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[1:4, 1:4, 1:4] = 5
    labels[6, 6, 6] = 5
    labels[7:9, 0, 0] = 116

    found = ablations.largest_parts(labels)

    assert (found[1:4, 1:4, 1:4] == 5).all()
    assert found[6, 6, 6] == 0
    assert (found[7:9, 0, 0] == 116).all()
