"""What helps, measured on the validation images: one change of the recipe, or of the prediction, at a time.

    python benchmarks/ablations.py --prepared DIR
    python benchmarks/ablations.py --prepared DIR --only "Dice alone as loss"

The recipe's changes are trained at half the grid, some minutes each, 24 trainings; flips at test time and cleaning are
tried on the shipped networks. Hours on two cores; repeating the command goes on. The test images are not read.
With --only the recipe and some changes are tried, and the other rows stay as they were.
Writes benchmarks/results/ablations.md and .json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from parcela_benchmarks import ablations
from parcela_benchmarks.ablations import Ablation
from parcela_benchmarks.half_grid import halved
from parcela_benchmarks.results import read_results, write_results
from parcela_training.preparation.prepared_set import PreparedSet
from parcela_training.progress import OnItem, counting
from parcela_training.report.document import Table

PREDICTION = "prediction"


def main() -> None:
    arguments = _arguments()
    prepared, work, only = PreparedSet.read(arguments.prepared), arguments.work, arguments.only
    half = halved(prepared, work / "half")
    trained, predicted = [], []
    if only != [PREDICTION]:
        rows = ablations.run_recipe(half, work, _progress("train"), only=only)
        trained = ablations.ablations(rows, ablations.RECIPE)
    if not only or PREDICTION in only:
        rows = ablations.run_prediction(prepared, work, _progress("predict"))
        predicted = ablations.ablations(rows, ablations.AS_IS)
    recipe = ablations.merged(_earlier("recipe"), trained)
    prediction = ablations.merged(_earlier("prediction"), predicted)
    write_results(
        "ablations",
        _tables(half, recipe, prediction),
        {"recipe": recipe, "prediction": prediction},
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--prepared", type=Path, required=True, help="what parcela prepare left")
    parser.add_argument("--work", type=Path, default=Path(".cache/benchmarks/ablations"))
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        choices=(*ablations.CHANGES, PREDICTION),
        metavar="CHANGE",
        help=f"some rows of the first table by their names, or {PREDICTION}: the second table",
    )
    return parser.parse_args()


def _earlier(kind: str) -> list[Ablation]:
    """What earlier runs measured."""
    return [Ablation(**row) for row in read_results("ablations").get(kind, [])]


def _tables(
    half: PreparedSet, recipe: Sequence[Ablation], prediction: Sequence[Ablation]
) -> list[Table]:
    grid = "×".join(map(str, half.shape))
    steps = " and ".join(str(count) for count in ablations.STEPS.values())
    images = len(half.files("val"))
    return [
        ablations.table(
            "3",
            "One change of the recipe at a time",
            recipe,
            "The recipe: the preset modern as it was first, with seven images in ten turned and four warped, at half "
            f"the grid ({grid}), {steps} steps (U-Net and HighResNet), trained on {len(half.files('train'))} images "
            f"and judged on {images}. A gain is over the recipe on the same processor. Its interval is the bootstrap's "
            "over the images, paired; what another seed changes is the noise of a single training, which the "
            "intervals do not hold. Seconds are a training's.",
        ),
        ablations.table(
            "4",
            "Changes of the prediction, on the shipped networks",
            prediction,
            f"At the whole grid, on the same {images} validation images. Seconds are an image's.",
        ),
    ]


def _progress(what: str) -> OnItem:
    return counting(lambda line: print(line, file=sys.stderr, flush=True), what)


if __name__ == "__main__":
    main()
