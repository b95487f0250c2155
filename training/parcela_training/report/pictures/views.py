"""Three slices of a labelled scan as pixels: grey, with its regions, with what differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import color_table
from parcela.imaging.slices import IN_PLANE, Pixels, Slice, extent, paint, pixel_centres, to_ras
from parcela_training.report.pictures.slices import Scan

PIXELS_PER_MM = 3.0
PLACES = (0.33, 0.5, 0.5)  # of each slice along its axis; the sagittal one off the midline
WRONG, WRONG_OPACITY = np.array((255, 60, 60)), 0.75


class View:
    """Slices through a scan's labelled part, each on its own grid of pixels.

    Axes of the methods: 0 sagittal, 1 coronal, 2 axial, whatever the array's.

    Raises:
        ValueError: image and labels differ in shape.
    """

    def __init__(self, scan: Scan, labels: NDArray[np.uint8]) -> None:
        if scan.image.shape != labels.shape:
            raise ValueError(f"image {scan.image.shape} and labels {labels.shape} differ")
        self.affine = scan.affine
        self.grey, turned = to_ras(scan.image, scan.affine)
        self.window = scan.window()
        ids, _ = to_ras(labels, scan.affine)
        spacing_mm = np.linalg.norm(turned[:3, :3], axis=0)
        self.slices = [_slice(ids, axis, spacing_mm) for axis in range(3)]

    def image(self, axis: int) -> Pixels:
        """The slice across an axis in grey."""
        return paint(self.slices[axis].linear(self.grey), self.window)

    def overlay(self, labels: NDArray[np.uint8]) -> Callable[[int], Pixels]:
        """The regions over the image, translucent with an outline."""

        def painted(axis: int) -> Pixels:
            grey = self.slices[axis].linear(self.grey)
            return paint(grey, self.window, self._labels(labels, axis))

        return painted

    def colours(self, labels: NDArray[np.uint8]) -> Callable[[int], Pixels]:
        """A picture of the regions alone, in their colours, by axis."""
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
        return self.slices[axis].nearest(to_ras(labels, self.affine)[0])


def _slice(ids: NDArray[np.uint8], axis: int, spacing_mm: NDArray[np.float64]) -> Slice:
    """The cut through the labelled part, (X, Y, Z) in RAS+; through the whole volume where nothing is labelled."""
    first, last = extent(ids, axis)
    grids = []
    for a in IN_PLANE[axis]:
        pixels = max(1, round(ids.shape[a] * spacing_mm[a] * PIXELS_PER_MM))
        grids.append(pixel_centres(pixels, ids.shape[a]))
    return Slice(axis, round(first + PLACES[axis] * (last - first)), *grids)
