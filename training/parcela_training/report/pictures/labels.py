"""Figures 3.10 to 3.12, 4.1 and 4.2: image, label, overlay, prediction, as PNG bytes.

Array axes are turned to RAS+ first: the left of a coronal or axial slice is the subject's left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from parcela.imaging.png import to_png
from parcela.imaging.slices import ENDS, PLANES, Pixels
from parcela.options import Network
from parcela_training.report.pictures.catalogue import (
    PREDICTION_FIGURES,
    PREDICTIONS,
    PREPROCESSING,
)
from parcela_training.report.pictures.slices import Scan, frame
from parcela_training.report.pictures.views import View

Drawn = tuple[str, Callable[[int], Pixels]]

TOPS = ("S", "S", "A")  # what lies at the top of each plane


def draw_label(scan: Scan, labels: NDArray[np.uint8]) -> dict[str, bytes]:
    """Figures 3.10 (image), 3.11 (label map) and 3.12 (one over the other) by number.

    Args:
        scan: the preprocessed image.
        labels: (X, Y, Z) ids 0 to 116 on its grid.
    """
    view = View(scan, labels)
    drawn = {"3.10": view.image, "3.11": view.colours(labels), "3.12": view.overlay(labels)}
    return {
        number: _panels(PREPROCESSING[number], [("", painted)]) for number, painted in drawn.items()
    }


def draw_prediction(
    scan: Scan,
    label: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    network: Network,
    dice: float,
) -> dict[str, bytes]:
    """Figure 4.1 (HighResNet) or 4.2 (U-Net) by number: image, label, prediction, where they differ.

    Args:
        scan: the preprocessed image.
        label, predicted: (X, Y, Z) ids 0 to 116 on its grid.
        network: which predicted.
        dice: the image's mean Dice, printed above.
    """
    view, number = View(scan, label), PREDICTION_FIGURES[network]
    columns = [
        ("image", view.image),
        ("label", view.overlay(label)),
        ("prediction", view.overlay(predicted)),
        ("where they differ", view.difference(label, predicted)),
    ]
    title = f"{PREDICTIONS[number]}: mean Dice {100 * dice:.2f} %"
    return {number: _panels(title, columns)}


def draw_side_by_side(
    title: str, scan: Scan, label: NDArray[np.uint8], predicted: Mapping[str, NDArray[np.uint8]]
) -> bytes:
    """Image, label and one prediction or more by name, in three planes."""
    view = View(scan, label)
    columns: list[Drawn] = [("image", view.image), ("label", view.overlay(label))]
    columns += [(name, view.overlay(labels)) for name, labels in predicted.items()]
    return _panels(title, columns)


def _panels(title: str, columns: Sequence[Drawn]) -> bytes:
    """One row of three planes for a single column; else a row for each plane. All at one scale."""
    drawn = [[painted(axis) for _, painted in columns] for axis in range(3)]
    sizes = [row[0].shape for row in drawn]  # (height, width, 3) of each plane
    if single := len(columns) == 1:
        shape, ratios = (1, 3), {"width_ratios": [width for _, width, _ in sizes]}
    else:
        shape, ratios = (3, len(columns)), {"height_ratios": [height for height, _, _ in sizes]}
    size = (10.5, 4.3) if single else (2.9 * len(columns), 9.4)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=12)
    grid = figure.subplots(*shape, squeeze=False, gridspec_kw=ratios)
    for axis, (plane, (_, right), top) in enumerate(zip(PLANES, ENDS, TOPS, strict=True)):
        for place, (name, _) in enumerate(columns):
            panel = grid[0, axis] if single else grid[axis, place]
            panel.imshow(drawn[axis][place], interpolation="antialiased")
            frame(panel, f"{name}, {plane}" if name else plane, right, top)
    return to_png(figure)
