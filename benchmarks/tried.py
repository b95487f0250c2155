"""What helps, measured on the validation images: one change of the recipe, or of the prediction, at a time.

    python benchmarks/tried.py --prepared DIR
    python benchmarks/tried.py --prepared DIR --only "Dice alone as loss"

The recipe's changes are trained at half the grid, some minutes each, 24 trainings; flips at test time and cleaning are
tried on the shipped networks. Hours on two cores; repeating the command goes on. The test images are not read.
With --only the recipe and some changes are tried, and the other rows stay as they were.
Writes benchmarks/results/tried.md and .json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from parcela_benchmarks import tried
from parcela_benchmarks.half_grid import halved
from parcela_benchmarks.tried import Trial
from parcela_training.hardware import versions
from parcela_training.preparation.prepared import PreparedSet
from parcela_training.progress import Tell, counting
from parcela_training.report.document import Table
from parcela_training.report.markdown import to_markdown

RESULTS = Path(__file__).parent / "results"
RECORD = RESULTS / "tried.json"
PREDICTION = "prediction"


def main() -> None:
    arguments = _arguments()
    prepared, work, only = PreparedSet.read(arguments.prepared), arguments.work, arguments.only
    half = halved(prepared, work / "half")
    trained, predicted = [], []
    if only != [PREDICTION]:
        rows = tried.run_recipe(half, work, _teller("train"), only=only)
        trained = tried.trials(rows, tried.RECIPE)
    if not only or PREDICTION in only:
        rows = tried.run_prediction(prepared, work, _teller("predict"))
        predicted = tried.trials(rows, tried.AS_IS)
    recipe = tried.merged(_kept("recipe"), trained)
    prediction = tried.merged(_kept("prediction"), predicted)
    text = to_markdown(_tables(half, recipe, prediction), ".")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "tried.md").write_text(text, encoding="utf-8")
    record = {
        "versions": versions(),
        "recipe": [asdict(trial) for trial in recipe],
        "prediction": [asdict(trial) for trial in prediction],
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--prepared", type=Path, required=True, help="what parcela prepare left")
    parser.add_argument("--work", type=Path, default=Path(".cache/benchmarks/tried"))
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        choices=(*tried.CHANGES, PREDICTION),
        metavar="CHANGE",
        help=f"some rows of the first table by their names, or {PREDICTION}: the second table",
    )
    return parser.parse_args()


def _kept(kind: str) -> list[Trial]:
    """What earlier runs found."""
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {kind: []}
    return [Trial(**row) for row in record[kind]]


def _tables(half: PreparedSet, recipe: Sequence[Trial], prediction: Sequence[Trial]) -> list[Table]:
    grid = "×".join(map(str, half.shape))
    steps = " and ".join(str(count) for count in tried.STEPS.values())
    images = len(half.files("val"))
    return [
        tried.table(
            "3",
            "One change of the recipe at a time",
            recipe,
            "The recipe: the preset modern as it was first, with seven images in ten turned and four warped, at half "
            f"the grid ({grid}), {steps} steps (U-Net and HighResNet), trained on {len(half.files('train'))} images "
            f"and judged on {images}. A gain is over the recipe on the same processor. Its interval is the bootstrap's "
            "over the images, paired; what another seed changes is the noise of a single training, which the "
            "intervals do not hold. Seconds are a training's.",
        ),
        tried.table(
            "4",
            "Changes of the prediction, on the shipped networks",
            prediction,
            f"At the whole grid, on the same {images} validation images. Seconds are an image's.",
        ),
    ]


def _teller(what: str) -> Tell:
    return counting(lambda line: print(line, file=sys.stderr, flush=True), what)


if __name__ == "__main__":
    main()
