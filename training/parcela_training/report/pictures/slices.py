"""One slice of a volume as a picture, and the frame it is drawn in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from parcela.imaging.slices import IN_PLANE, INK, NIGHT, extent

PLANES = {"L": "sagittal", "R": "sagittal", "P": "coronal", "A": "coronal"}
OPPOSITE = dict(zip("LRPAIS", "RLAPSI", strict=True))
SAMPLE = 500_000  # voxels from which the grey window is taken


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A volume whose slices are drawn.

    Attributes:
        image: (X, Y, Z) intensities.
        affine: (4, 4), voxel index to world mm (RAS+).
    """

    image: NDArray[Any]
    affine: NDArray[np.float64]

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Size of a voxel along each array axis."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def extent_mm(self) -> NDArray[np.float64]:
        """Size of the volume along each array axis."""
        return np.asarray(np.array(self.image.shape) * self.spacing_mm)

    @property
    def axes(self) -> str:
        """Where each array axis points, such as ``PSR``."""
        return "".join(nib.aff2axcodes(self.affine))

    @property
    def facts(self) -> str:
        """Grid and intensities in one line."""
        shape = "×".join(map(str, self.image.shape))
        spacing = "×".join(f"{size:.2f}" for size in self.spacing_mm)
        origin = ", ".join(f"{place + 0.0:.1f}" for place in self.affine[:3, 3].round(1) + 0.0)
        low, high = float(self.image.min()), float(self.image.max())
        return (
            f"{shape} voxels of {spacing} mm · axes {self.axes} · origin ({origin}) mm · "
            f"intensities {low:.4g} to {high:.4g}"
        )

    def foreground(self) -> NDArray[np.bool_]:
        """Voxels above the darkest."""
        low, high = float(self.image.min()), float(self.image.max())
        return np.asarray(self.image > low + 1e-3 * (high - low))

    def middle(self) -> tuple[int, int, int]:
        """The voxel in the middle of the foreground's box; of the volume where there is none."""
        inside = self.foreground()
        x, y, z = (sum(extent(inside, axis)) // 2 for axis in range(3))
        return x, y, z

    def window(self) -> tuple[float, float]:
        """Intensities drawn black and white: the darkest, and the foreground's 99.5th percentile."""
        step = 1 + self.image.size // SAMPLE
        shown = self.image.ravel()[::step]
        low = float(shown.min())
        bright = shown[shown > low]
        high = float(np.percentile(bright, 99.5)) if bright.size else low + 1
        return low, high


def show_plane(axes: Axes, scan: Scan, axis: int, at: int, span_mm: tuple[float, float]) -> None:
    """Draw one slice across an array axis, in mm, in the middle of a frame of ``span_mm``."""
    across, up = IN_PLANE[axis]
    width, height = scan.extent_mm[across], scan.extent_mm[up]
    low, high = scan.window()
    axes.imshow(
        np.take(scan.image, at, axis).T,  # (up, across), drawn from the bottom
        cmap="gray",
        vmin=low,
        vmax=high,
        origin="lower",
        extent=(-width / 2, width / 2, -height / 2, height / 2),
        interpolation="nearest",
    )
    axes.set(xlim=(-span_mm[0] / 2, span_mm[0] / 2), ylim=(-span_mm[1] / 2, span_mm[1] / 2))
    codes = scan.axes
    frame(axes, PLANES.get(codes[axis], "axial"), codes[across], codes[up])


def frame(axes: Axes, title: str, right: str, top: str) -> None:
    """A dark frame without ticks; the letters say which way is which."""
    axes.set_title(title, fontsize=9)
    axes.set(xticks=[], yticks=[], facecolor=NIGHT)
    for letter, x, y in (
        (OPPOSITE[right], 0.03, 0.5),
        (right, 0.97, 0.5),
        (OPPOSITE[top], 0.5, 0.04),
        (top, 0.5, 0.96),
    ):
        axes.text(
            x,
            y,
            letter,
            transform=axes.transAxes,
            color=INK,
            fontsize=9,
            ha="center",
            va="center",
            path_effects=[withStroke(linewidth=2.5, foreground=NIGHT)],  # legible on bright skull
        )
