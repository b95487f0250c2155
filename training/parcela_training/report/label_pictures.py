"""Figures 3.10 to 3.12, 4.1 and 4.2: image, label, overlay, prediction, as PNG bytes.

Array axes are turned to RAS+ first: the left of a coronal or axial slice is the subject's left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from parcela.atlas import color_table
from parcela.overlay import paint, sample_linear, sample_nearest
from parcela_training.report.catalogue import PREDICTION_FIGURES, PREDICTIONS, PREPROCESSING
from parcela_training.report.plots import to_png
from parcela_training.report.slices import Scan, canonical, frame
from parcela_training.thesis import Network

Pixels = NDArray[np.uint8]  # (height, width, 3), top row first
Drawn = tuple[str, Callable[[int], Pixels]]

PIXELS_PER_MM = 3.0
PLACES = (0.33, 0.5, 0.5)  # of each slice along its axis; the sagittal one off the midline
WAYS = (("sagittal", "A", "S"), ("coronal", "R", "S"), ("axial", "R", "A"))
WRONG, WRONG_OPACITY = np.array((255, 60, 60)), 0.75


def draw_label(scan: Scan, labels: NDArray[np.uint8]) -> dict[str, bytes]:
    """Figures 3.10 (image), 3.11 (label map) and 3.12 (one over the other) by number.

    Args:
        scan: the preprocessed image.
        labels: (X, Y, Z) ids 0 to 116 on its grid.
    """
    view = _View(scan, labels)
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
    view, number = _View(scan, label), PREDICTION_FIGURES[network]
    columns = [
        ("image", view.image),
        ("label", view.overlay(label)),
        ("prediction", view.overlay(predicted)),
        ("where they differ", view.difference(label, predicted)),
    ]
    title = f"{PREDICTIONS[number]}: mean Dice {100 * dice:.2f} %"
    return {number: _panels(title, columns)}


class _View:
    """Three slices of a scan through its labelled part, on one grid of pixels each."""

    def __init__(self, scan: Scan, labels: NDArray[np.uint8]) -> None:
        if scan.image.shape != labels.shape:
            raise ValueError(f"image {scan.image.shape} and labels {labels.shape} differ")
        self.affine = scan.affine
        self.grey = canonical(scan.image, scan.affine)
        self.spacing_mm = canonical_spacing(scan)
        self.window = scan.window()
        ids = canonical(labels, scan.affine)
        inside = ids > 0 if ids.any() else np.ones(ids.shape, bool)
        self.places = [_place(inside, axis) for axis in range(3)]

    def image(self, axis: int) -> Pixels:
        """The slice across an axis in grey."""
        grey = self._sampled(self.grey, axis, sample_linear)
        none = np.zeros(grey.shape, np.uint8)
        return paint(grey, none, none, self.window)

    def overlay(self, labels: NDArray[np.uint8]) -> Callable[[int], Pixels]:
        """The regions over the image, translucent with an outline."""

        def painted(axis: int) -> Pixels:
            grey = self._sampled(self.grey, axis, sample_linear)
            ids = self._labels(labels, axis)
            return paint(grey, ids, np.zeros_like(ids), self.window)

        return painted

    def colours(self, labels: NDArray[np.uint8]) -> Callable[[int], Pixels]:
        """The regions alone."""
        return lambda axis: np.asarray(color_table()[self._labels(labels, axis)])

    def difference(
        self, label: NDArray[np.uint8], predicted: NDArray[np.uint8]
    ) -> Callable[[int], Pixels]:
        """The image, red where the two maps differ."""

        def painted(axis: int) -> Pixels:
            picture = self.image(axis).astype(np.float64)
            wrong = self._labels(label, axis) != self._labels(predicted, axis)
            picture[wrong] += WRONG_OPACITY * (WRONG - picture[wrong])
            return np.asarray(picture.round(), np.uint8)

        return painted

    def _labels(self, labels: NDArray[np.uint8], axis: int) -> NDArray[Any]:
        return self._sampled(canonical(labels, self.affine), axis, sample_nearest)

    def _sampled(
        self, volume: NDArray[Any], axis: int, sample: Callable[..., NDArray[Any]]
    ) -> NDArray[Any]:
        """One slice on the picture's pixels, (height, width), the third or second axis upwards."""
        plane = np.take(volume, self.places[axis], axis)
        plane = plane.astype(np.float32) if sample is sample_linear else plane
        grids = []
        for a in (a for a in range(3) if a != axis):
            count = volume.shape[a]
            pixels = max(1, round(count * self.spacing_mm[a] * PIXELS_PER_MM))
            grids.append((np.arange(pixels) + 0.5) * count / pixels - 0.5)
        return sample(plane, *grids).T[::-1]


def canonical_spacing(scan: Scan) -> NDArray[np.float64]:
    """Size of a voxel along the world's axes x, y, z, in mm."""
    order = ["RL", "AP", "SI"]
    along = [next(a for a in range(3) if scan.axes[a] in pair) for pair in order]
    return np.asarray(scan.spacing_mm[along])


def _place(inside: NDArray[np.bool_], axis: int) -> int:
    hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
    return round(float(hit[0] + PLACES[axis] * (hit[-1] - hit[0])))


def _panels(title: str, columns: Sequence[Drawn]) -> bytes:
    """One row of three planes for a single column; else a row for each plane."""
    single = len(columns) == 1
    size = (10.5, 4.2) if single else (2.9 * len(columns), 9.4)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=12)
    grid = figure.subplots(*((1, 3) if single else (3, len(columns))), squeeze=False)
    for axis, (plane, right, top) in enumerate(WAYS):
        for place, (name, painted) in enumerate(columns):
            panel = grid[0, axis] if single else grid[axis, place]
            panel.imshow(painted(axis), interpolation="antialiased")
            frame(panel, f"{name}, {plane}" if name else plane, right, top)
    return to_png(figure)
