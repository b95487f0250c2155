"""A training in a process of its own, to be killed: prints a line after each step.

python train_worker.py MODEL RECIPE PREPARED OUT
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.training.budget import Budget
from parcela_training.training.presets import thesis
from parcela_training.training.train import train
from training.training.test_train import small

if __name__ == "__main__":
    model, name, prepared, out = sys.argv[1:]
    assert model in ("unet", "highresnet")
    recipe = small(model)  # type: ignore[arg-type]
    if name == "thesis":
        recipe = replace(thesis(model), budget=Budget(steps=4))  # type: ignore[arg-type]
    train(
        recipe,
        PreparedSet.read(Path(prepared)),
        Path(out),
        on_progress=lambda moment: print(moment.step, flush=True),
        checkpoint_s=0,
    )
