from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from itertools import product

import pytest
import torch

from parcela.errors import BadRequest
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.options import BOTH, Network
from parcela_training.jsonable import to_jsonable
from parcela_training.training.presets import RECIPES, demo, experiment, modern, thesis
from parcela_training.training.recipe import read_recipe, scalars
from parcela_training.training.trainer import autocast_type, learning_rate


@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_given_the_thesis_then_its_recipe_is_exact(model: Network, device: str) -> None:
    recipe = thesis(model, device)
    assert (recipe.loss, recipe.optimiser, recipe.step) == ("dice", "adam", "whole")
    assert (recipe.variant, recipe.precision) == ("thesis", "float16")
    assert (recipe.budget.epochs, recipe.patience, recipe.validate_every) == (150, 10, 1)
    assert recipe.augmentation is None
    assert recipe.ema_decay is None
    assert recipe.clip_norm is None
    assert recipe.validation_images is None
    assert (recipe.weight_decay, recipe.schedule, recipe.warm_up_steps) == (0, "constant", 0)


@pytest.mark.parametrize(("model", "name"), [*product(BOTH, RECIPES), ("warp", "modern")], ids=str)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_given_any_recipe_when_written_as_json_then_it_comes_back_equal(
    model: Network, name: str, device: str
) -> None:
    recipe = RECIPES[name](model, device)
    assert recipe.preset == name
    assert read_recipe(to_jsonable(recipe)) == recipe
    assert all(isinstance(value, str | int | float) for value in scalars(recipe).values())


@pytest.mark.parametrize("name", ["thesis", "demo"])
def test_given_the_network_that_registers_then_only_our_own_preset_trains_it(name: str) -> None:
    with pytest.raises(BadRequest, match="use --preset modern"):
        RECIPES[name]("warp", "cpu")
    assert modern("warp", "cuda") == modern("warp")


def test_given_a_gpu_then_modern_takes_whole_volumes_and_a_cpu_parts() -> None:
    assert (modern("unet").step, modern("unet").batch) == ("parts", 1)
    assert (modern("unet", "cuda").step, modern("unet", "cuda").batch) == ("whole", 4)
    assert (demo("highresnet", "cuda").step, demo("highresnet").step) == ("whole", "parts")


def test_given_a_recipe_then_it_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        thesis("unet").learning_rate = 1.0  # type: ignore[misc]


def test_given_an_experiment_then_its_parts_belong_together() -> None:
    half, published = experiment("demo"), experiment("thesis")
    assert half.preparation.shape == (46, 61, 62)
    assert str(half.split.sizes) == "12/4/4"
    assert published.preparation.shape == MODEL_SHAPE
    assert published.preparation.chain == published.preparation.opening == "thesis"
    assert str(published.split.sizes) == "1200/200/200"
    assert set(published.recipes) == set(BOTH)
    with pytest.raises(BadRequest, match="there is no preset 'modem'"):
        experiment("modem")


def test_given_the_schedules_then_they_warm_up_and_end_as_they_say() -> None:
    recipe = replace(modern("unet"), warm_up_steps=150)
    rates = [learning_rate(recipe, step, step / 1000) for step in range(1000)]
    assert rates[0] < 0.01 * recipe.learning_rate
    assert max(rates) < recipe.learning_rate
    assert rates[-1] < 1e-4 * recipe.learning_rate
    assert {learning_rate(thesis("unet"), step, step / 10) for step in range(10)} == {1e-3}


def test_given_a_device_and_a_grid_then_the_precision_is_one_that_works_there() -> None:
    cpu, gpu, half = torch.device("cpu"), torch.device("cuda"), (46, 61, 62)
    assert autocast_type(thesis("unet"), gpu, half) == torch.float16
    assert autocast_type(thesis("unet"), cpu, half) is None
    assert autocast_type(modern("unet"), cpu, half) == torch.bfloat16
    assert autocast_type(modern("unet"), cpu, (64, 64, 32)) is None
    assert autocast_type(modern("unet", "cuda"), gpu, (64, 64, 32)) == torch.bfloat16


def test_given_the_late_schedule_then_the_rate_falls_in_the_last_three_tenths_alone() -> None:
    recipe = replace(modern("highresnet"), schedule="late", warm_up_steps=0)
    rates = [learning_rate(recipe, step, step / 10) for step in range(11)]
    assert rates[:8] == [recipe.learning_rate] * 8
    assert rates[8:] == pytest.approx([recipe.learning_rate * share for share in (2 / 3, 1 / 3, 0)])
