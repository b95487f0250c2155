"""Losses of a few steps of several recipes, as JSON on the first rank's stdout; alone or under torchrun.

python distributed_worker.py PREPARED OUT
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.training.budget import Budget
from parcela_training.training.presets import modern, thesis
from parcela_training.training.recipe import Recipe
from parcela_training.training.train import train
from training.training.test_train import small


def recipes() -> dict[str, Recipe]:
    """A global batch of two images each."""
    whole = replace(modern("unet", "cuda"), precision="float32", warm_up_steps=2, norm_images=1)
    found = {
        "unet thesis": thesis("unet"),
        "unet modern, whole volumes": whole,
        "unet modern, parts": small("unet"),
        "highresnet modern, parts": small("highresnet"),
        "highresnet thesis": thesis("highresnet"),
    }
    steps = {name: 1 if name.startswith("highresnet") else 3 for name in found}
    return {
        name: replace(recipe, batch=2, budget=Budget(steps=steps[name]), validate_every=99)
        for name, recipe in found.items()
    }


if __name__ == "__main__":
    prepared, out = PreparedSet.read(Path(sys.argv[1])), Path(sys.argv[2])
    losses = {}
    for name, recipe in recipes().items():
        run = train(recipe, prepared, out / name.replace(" ", "-"))
        (point,) = run.curve
        losses[name] = (run.processes, point.train_loss, point.validation_loss)
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(losses))
