"""Figures 4.3 and 4.4 (box plots of regions) and the training curves, as PNG bytes.

matplotlib's object-oriented interface throughout: nothing global is touched, equal input gives
equal bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from parcela.atlas.aal import region
from parcela.imaging.png import COLOURS, to_png
from parcela_training.evaluation.record import Evaluation
from parcela_training.metrics.statistics import best_regions, worst_regions
from parcela_training.report.record import NetworkRecord

Which = Literal["best", "worst"]


def draw_boxes(evaluated: Sequence[tuple[str, Evaluation]], which: Which) -> bytes:
    """Five regions' Dice as boxes: a panel per network with its own five, all networks in each.

    Args:
        evaluated: title and evaluation of at least one network.
        which: the regions of the highest or of the lowest medians.
    """
    figure = Figure(figsize=(10, 0.6 + 3.4 * len(evaluated)), layout="constrained")
    panels = figure.subplots(len(evaluated), 1, squeeze=False, sharey=True)[:, 0]
    choose = best_regions if which == "best" else worst_regions
    for axes, (title, evaluation) in zip(panels, evaluated, strict=True):
        ids = choose(evaluation.medians)
        axes.set_title(f"The five {which} regions of {title}, by its median", fontsize=11)
        _boxes(axes, ids, [each for _, each in evaluated])
    handles = [Patch(color=_colour(k), label=title) for k, (title, _) in enumerate(evaluated)]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return to_png(figure)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _boxes(axes: Axes, ids: Sequence[int], evaluations: Sequence[Evaluation]) -> None:
    width = 0.8 / len(evaluations)
    for place, evaluation in enumerate(evaluations):
        columns = [evaluation.dice[:, index] for index in ids]
        drawn = axes.boxplot(
            [values[~np.isnan(values)] for values in columns],
            positions=[k + (place - (len(evaluations) - 1) / 2) * width for k in range(len(ids))],
            widths=0.85 * width,
            patch_artist=True,
            medianprops={"color": "black", "linewidth": 1.5},
            flierprops={"marker": "o", "markersize": 3, "markeredgecolor": _colour(place)},
        )
        for box in drawn["boxes"]:
            box.set(facecolor=_colour(place), alpha=0.75)
    axes.set_xticks(range(len(ids)), [f"{region(index).name}\n({index})" for index in ids])
    axes.set_ylabel("Dice")
    axes.grid(axis="y", alpha=0.3)


def draw_curves(runs: Sequence[NetworkRecord]) -> bytes:
    """Training and validation loss by epoch, a panel per network that has a curve."""
    shown = [run for run in runs if run.curve]
    figure = Figure(figsize=(10, 0.4 + 3.2 * len(shown)), layout="constrained")
    panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, run in zip(panels, shown, strict=True):
        epochs = [point.number for point in run.curve]
        for label, losses, colour in (
            ("training", [point.train_loss for point in run.curve], COLOURS[0]),
            ("validation", [point.validation_loss for point in run.curve], COLOURS[1]),
        ):
            values = np.array(losses, dtype=np.float64)  # None becomes NaN
            measured = ~np.isnan(values)
            if measured.any():
                style = "." if len(epochs) < 40 else ""
                axes.plot(
                    np.array(epochs)[measured],
                    values[measured],
                    f"{style}-",
                    color=colour,
                    label=label,
                )
        axes.set(title=run.title, xlabel="epoch", ylabel="loss")
        axes.grid(alpha=0.3)
        axes.legend()
    return to_png(figure)
