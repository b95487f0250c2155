"""What helps, measured on the validation images: one change of the recipe, or of the prediction, at a time.

    python benchmarks/tried.py --prepared DIR

The recipe's changes are trained at half the grid, some minutes each, 24 trainings; flips at test time and cleaning are
tried on the shipped networks. Hours on two cores; repeating the command goes on. The test images are not read.
Writes benchmarks/results/tried.md and .json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from parcela_training.benchmark import tried
from parcela_training.benchmark.half_grid import halved
from parcela_training.hardware import hardware, versions
from parcela_training.prepared import PreparedSet
from parcela_training.report.markdown import to_markdown
from parcela_training.telling import Tell, counting

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--prepared", type=Path, required=True, help="what parcela prepare left")
    parser.add_argument("--work", type=Path, default=Path(".cache/benchmarks/tried"))
    arguments = parser.parse_args()
    prepared, work = PreparedSet.read(arguments.prepared), arguments.work
    half = halved(prepared, work / "half")
    trained = tried.trials(tried.run_recipe(half, work, _teller("train")), tried.RECIPE)
    predicted = tried.trials(tried.run_prediction(prepared, work, _teller("predict")), tried.AS_IS)
    grid = "×".join(map(str, half.shape))
    steps = " and ".join(str(count) for count in tried.STEPS.values())
    tables = [
        tried.table(
            "3",
            "One change of the recipe at a time",
            trained,
            f"The preset modern at half the grid ({grid}), {steps} steps (U-Net and HighResNet), trained on "
            f"{len(half.files('train'))} images and judged on {len(half.files('val'))}. The interval is the "
            "bootstrap's over the images, paired; what another seed changes is the noise of a single training, "
            "which the intervals do not hold. Seconds are a training's.",
        ),
        tried.table(
            "4",
            "Changes of the prediction, on the shipped networks",
            predicted,
            f"At the whole grid, on the same {len(half.files('val'))} validation images. Seconds are an image's.",
        ),
    ]
    text = to_markdown(tables, ".")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "tried.md").write_text(text, encoding="utf-8")
    record = {
        "hardware": hardware(),
        "versions": versions(),
        "recipe": tried.metrics(trained),
        "prediction": tried.metrics(predicted),
    }
    (RESULTS / "tried.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(text)


def _teller(what: str) -> Tell:
    return counting(lambda line: print(line, file=sys.stderr, flush=True), what)


if __name__ == "__main__":
    main()
