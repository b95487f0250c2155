"""Three slices of a labelled scan as pixels: grey, with its regions, with what differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import color_table
from parcela.imaging.slices import paint, sample_linear, sample_nearest
from parcela_training.report.pictures.slices import Scan, canonical

Pixels = NDArray[np.uint8]  # (height, width, 3), top row first

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
