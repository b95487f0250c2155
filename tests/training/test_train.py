from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from parcela_inference.card import Model
from parcela_training.presets import modern
from parcela_training.samples import OUTSIDE, Sample, Samples
from parcela_training.train import Run, learning_rate


class Tiny(Samples):
    """One small volume, a stand-in for prepared subjects."""

    def __init__(self) -> None:
        self.names = ["tiny"]

    def draw(self, generator: torch.Generator, augmented: bool) -> Sample:  # noqa: ARG002
        image = torch.rand(1, 1, 32, 32, 32, generator=generator)
        label = torch.zeros(32, 32, 32, dtype=torch.uint8)
        label[4:20, 4:20, 4:20] = 5
        label[31] = OUTSIDE
        return Sample(image, label)


@pytest.mark.parametrize("model", ["unet", "highresnet"])
def test_given_a_checkpoint_when_resumed_then_the_run_goes_on_as_if_never_stopped(
    model: Model, tmp_path: Path
) -> None:
    settings = replace(
        modern(model), trunk_steps=1, patches=2, patch_size=(8, 8, 8), mixed_precision=False
    )
    torch.set_num_threads(1)
    straight = Run(settings, tmp_path, steps=4)
    straight.train(Tiny())
    halted = Run(settings, tmp_path, steps=4)
    halted.modules.train()
    for _ in range(2):
        halted.step(Tiny())
    halted.save()
    resumed = Run(settings, tmp_path, steps=4)
    resumed.resume()
    resumed.train(Tiny())
    for name, value in straight.average.state.items():
        torch.testing.assert_close(resumed.average.state[name], value, msg=name)
    assert resumed.progress.step == 4


def test_given_the_schedule_when_it_runs_then_it_warms_up_and_ends_near_zero() -> None:
    settings = modern("unet")
    rates = np.array([learning_rate(settings, step, 1000) for step in range(1000)])
    assert rates[0] < 0.01 * settings.learning_rate
    assert rates.max() < settings.learning_rate
    assert rates[-1] < 1e-4 * settings.learning_rate
