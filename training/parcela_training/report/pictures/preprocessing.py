"""Figures 3.1 to 3.9: a volume before and after a step, as PNG bytes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from parcela.imaging.png import COLOURS, to_png
from parcela.imaging.slices import IN_PLANE
from parcela_training.report.pictures.catalogue import PREPROCESSING, STEP_FIGURES
from parcela_training.report.pictures.slices import Scan, show_plane


def draw_preprocessing(
    received: Scan, steps: Mapping[str, tuple[Scan, Scan]], last: Scan
) -> dict[str, bytes]:
    """Figures 3.1 to 3.9 by number.

    Args:
        received: the scan before everything.
        steps: before and after by step, any of those in ``STEP_FIGURES``; ``resize`` takes the
            volume before the origin is moved and the one after the resizing.
        last: after all steps.

    Raises:
        KeyError: a step that has no figure.
    """
    drawn = {"3.1": draw_step(received, last, PREPROCESSING["3.1"])}
    for step, (before, after) in steps.items():
        number = STEP_FIGURES[step]
        drawn[number] = draw_step(before, after, PREPROCESSING[number])
    return drawn


def draw_step(before: Scan, after: Scan, title: str) -> bytes:
    """Two rows, before and after: the three planes at one scale in mm, and the intensities.

    Array axes are shown as they are, so that a reorientation can be seen; the letters at the edges
    say which way each points.
    """
    figure = Figure(figsize=(11, 7), layout="constrained")
    figure.suptitle(title, fontsize=12)
    spans = [_span(before, after, axis) for axis in range(3)]
    ratios = [*(span[0] / span[1] for span in spans), 1.1]
    rows = figure.add_gridspec(2, 1)
    same_grid = before.image.shape == after.image.shape and np.allclose(before.affine, after.affine)
    for row, (word, scan) in enumerate((("before", before), ("after", after))):
        half = figure.add_subfigure(rows[row])
        half.suptitle(f"{word}: {scan.facts}", fontsize=9)
        panels = half.subplots(1, 4, width_ratios=ratios)
        middle = after.middle() if same_grid else scan.middle()
        for axis in range(3):
            show_plane(panels[axis], scan, axis, middle[axis], spans[axis])
        _intensities(panels[3], scan)
    return to_png(figure)


def _span(before: Scan, after: Scan, axis: int) -> tuple[float, float]:
    """Width and height of the frame that holds the slices of both, in mm."""
    across, up = IN_PLANE[axis]
    larger = np.maximum(before.extent_mm, after.extent_mm)
    return float(larger[across]), float(larger[up])


def _intensities(axes: Axes, scan: Scan) -> None:
    inside = scan.image[scan.foreground()]
    axes.hist(np.asarray(inside, np.float64).ravel(), bins=80, color=COLOURS[0])
    axes.set_title("intensities above the darkest", fontsize=9)
    axes.set_xlabel("intensity", fontsize=8)
    axes.set_yticks([])
    axes.tick_params(labelsize=8)
