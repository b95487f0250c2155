"""The training curves: a row for each validation, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from importlib.util import find_spec
from pathlib import Path

from parcela.files import atomic_file, write_tsv
from parcela.imaging.png import to_png

TABLE, PICTURE = "curve.tsv", "curve.png"


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What one validation measured: a point of the training curve.

    Attributes:
        step: updates of the weights before it.
        epoch: passes over the training images before it.
        learning_rate: of the last update.
        train_loss: mean since the validation before; None before the first step.
        validation_loss, validation_dice: means over the validation images; Dice is the mean of 117.
        regions_missing: regions whose median Dice is 0.
        seconds: of training and validation until then, over all sittings.
    """

    step: int
    epoch: float
    learning_rate: float
    train_loss: float | None
    validation_loss: float
    validation_dice: float
    regions_missing: int
    seconds: float


def write_curve(folder: Path, points: Sequence[CurvePoint], title: str) -> None:
    """Write ``curve.tsv`` and ``curve.png``; numbers in full, so that equal runs have equal tables.

    On a bare machine without matplotlib (``benchmarks/gpu_kit.py``) there is the table alone.
    """
    names = [field.name for field in fields(CurvePoint)]
    write_tsv(folder / TABLE, names, map(astuple, points))
    if find_spec("matplotlib") is None:
        return
    with atomic_file(folder / PICTURE) as stream:
        stream.write(draw_curve(points, title))


def draw_curve(points: Sequence[CurvePoint], title: str) -> bytes:
    """Losses on the left, Dice on the right, against epochs; PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, dice = figure.subplots(1, 2)
    epochs = [point.epoch for point in points]
    trained = [(p.epoch, p.train_loss) for p in points if p.train_loss is not None]
    losses.plot(*zip(*trained, strict=True), label="training") if trained else None
    losses.plot(epochs, [point.validation_loss for point in points], label="validation")
    losses.set(xlabel="epoch", ylabel="loss", title=title)
    losses.legend(frameon=False)
    dice.plot(epochs, [point.validation_dice for point in points], color="tab:green")
    dice.set(xlabel="epoch", ylabel="mean Dice of 117 classes", ylim=(0, 1), title="validation")
    for axes in (losses, dice):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return to_png(figure)
