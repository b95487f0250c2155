"""The mosaic: one picture by which a human eye can check a parcellation.

Three rows of slices (sagittal, coronal, axial) spread over the label map, the scan in grey, the regions in their
colours with thin outlines, true to the millimetre. The view is neurological: the left of a coronal or axial slice is
the subject's left, as the marks say. matplotlib is imported only when a picture is drawn.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import REGION_COUNT, region
from parcela.atlas.counts import RegionCounts
from parcela.files import atomic_file
from parcela.imaging.png import to_png
from parcela.imaging.slices import (
    ALARM,
    ENDS,
    IN_PLANE,
    INK,
    NIGHT,
    PLANES,
    QUIET,
    Pixels,
    Slice,
    extent,
    paint,
    pixel_centres,
    to_ras,
)

Box = tuple[slice, slice, slice]

WIDTH, GAP, MARGIN, STRIP, HEADING, LINE = 1560, 6, 34, 20, 40, 19  # pixels
TALLEST = 1300  # pixels of slices, all rows together
LINE_LENGTH = 200  # characters of a footer line
CHARACTER = 7  # pixels, of the words over a slice: no wider on the average
THUMBNAIL = 160  # pixels
COLUMNS = (6, 7, 7)  # slices in the sagittal, coronal and axial row
SAMPLE = 2_000_000  # voxels from which the grey window is taken
BORDER_MM = 12.0  # shown around the label map
DISCLAIMER = "Research software, not a medical device."


@dataclass(frozen=True)
class _Scene:
    """What is drawn, on axes nearest to RAS+: image, labels and mask (X, Y, Z), their affine, and the box shown."""

    image: NDArray[Any]
    labels: NDArray[Any]
    mask: NDArray[Any]
    affine: NDArray[np.float64]
    box: Box
    window: tuple[float, float]

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def extent_mm(self) -> NDArray[np.float64]:
        return np.array([s.stop - s.start for s in self.box]) * self.spacing_mm

    @property
    def tilt_degrees(self) -> float:
        """The largest angle between an array axis and its world axis."""
        cosines = np.abs(np.diag(self.affine)[:3]) / self.spacing_mm
        return float(np.degrees(np.arccos(np.clip(cosines.min(), -1, 1))))


@dataclass(frozen=True)
class _Text:
    x: float
    y: float  # from the top
    text: str
    color: str = INK
    size: float = 9.5
    align: str = "left"
    weight: str = "normal"
    rotation: float = 0.0


def write_mosaic(
    path: Path,
    image: NDArray[Any],
    labels: NDArray[Any],
    affine: NDArray[np.float64],
    counts: RegionCounts,
    *,
    mask: NDArray[Any] | None = None,
    title: str = "",
    notes: Sequence[str] = (),
    sides_known: bool = True,
    thumbnail: Path | None = None,
) -> None:
    """Draw a label map over its scan and write the picture as PNG; equal input gives equal bytes.

    Args:
        path: ``….png``; appears whole or not at all.
        image: (X, Y, Z) intensities, array axes in any order and direction.
        labels: (X, Y, Z) ids 0 to 116 on the same grid; may be empty.
        affine: (4, 4), voxel index to world mm (RAS+), of that grid.
        counts: of ``labels``, for the line below the slices.
        mask: (X, Y, Z) brain mask on the same grid, drawn as a white line.
        title: printed at the top.
        notes: sentences printed at the bottom, such as the scan's warnings.
        sides_known: False where the header does not say which side is left, or says two things: the marks become
            ``L?`` and ``R?``.
        thumbnail: where to write its middle axial slice, small, for lists of scans.

    Raises:
        ValueError: the arrays differ in shape.
        OSError: the file cannot be written.
    """
    scene = _scene(image, labels, mask, np.asarray(affine, np.float64))
    canvas, texts = _lay_out(scene, sides_known)
    shown = title if len(title) <= 110 else title[:109] + "…"
    heading = f"{shown}   AAL, {REGION_COUNT} regions".lstrip()
    texts.append(_Text(MARGIN, HEADING / 2, heading, size=13, weight="bold"))
    facts = [*_facts(scene, counts, affine, sides_known), DISCLAIMER]
    footer, words = _footer(facts, notes, len(canvas))
    with atomic_file(path) as stream:
        stream.write(_png(np.concatenate([canvas, footer]), [*texts, *words]))
    if thumbnail is not None:
        with atomic_file(thumbnail) as stream:
            stream.write(_png(_thumbnail(scene), []))


def _thumbnail(scene: _Scene) -> Pixels:
    """The axial slice in the middle of the row, ``THUMBNAIL`` pixels high and wide at the most."""
    x_mm, y_mm, _ = scene.extent_mm
    positions = _positions(scene, 2)
    return _panel(scene, 2, positions[len(positions) // 2], THUMBNAIL / max(x_mm, y_mm))


def _footer(facts: Sequence[str], notes: Sequence[str], top: int) -> tuple[Pixels, list[_Text]]:
    lines = [(line, QUIET) for fact in facts for line in textwrap.wrap(fact, LINE_LENGTH)]
    lines += [(line, ALARM) for note in notes for line in textwrap.wrap(note, LINE_LENGTH)]
    canvas = np.full((2 * GAP + LINE * len(lines), WIDTH, 3), _rgb(NIGHT), np.uint8)
    words = [
        _Text(MARGIN, top + GAP + LINE * (k + 0.5), line, color)
        for k, (line, color) in enumerate(lines)
    ]
    return canvas, words


def _scene(
    image: NDArray[Any],
    labels: NDArray[Any],
    mask: NDArray[Any] | None,
    affine: NDArray[np.float64],
) -> _Scene:
    outline = np.zeros_like(labels) if mask is None else mask
    if not image.shape == labels.shape == outline.shape:
        raise ValueError(f"image {image.shape}, labels {labels.shape}, mask {outline.shape} differ")
    (grey, turned), (ids, _), (brain, _) = (to_ras(a, affine) for a in (image, labels, outline))
    box = _box(ids if labels.any() else brain, np.linalg.norm(turned[:3, :3], axis=0))
    return _Scene(grey, ids, brain, turned, box, _window(grey[box], ids[box]))


def _box(inside: NDArray[Any], spacing_mm: NDArray[np.float64]) -> Box:
    """The bounding box of ``inside`` with a border; the whole grid when it is empty."""
    sides = []
    for axis, size in enumerate(inside.shape):
        first, last = extent(inside, axis)
        border = round(BORDER_MM / spacing_mm[axis])
        sides.append(slice(max(0, first - border), min(size, last + border + 1)))
    return sides[0], sides[1], sides[2]


def _window(shown: NDArray[Any], labels: NDArray[Any]) -> tuple[float, float]:
    """Intensities drawn black and white: the 1st percentile shown, the 99.5th of the brain with some headroom."""
    step = 1 + int((shown.size / SAMPLE) ** (1 / 3))
    thin = (slice(None, None, step),) * 3
    shown, inside = shown[thin], labels[thin] > 0
    finite = np.isfinite(shown)
    brain = shown[inside & finite] if (inside & finite).any() else shown[finite]
    low = float(np.percentile(shown[finite], 1))
    high = low + 1.1 * (float(np.percentile(brain, 99.5)) - low)
    return (low, high) if high > low else (low, low + 1)


def _lay_out(scene: _Scene, sides_known: bool) -> tuple[Pixels, list[_Text]]:
    """All rows of slices under an empty heading, and the words that belong to them."""
    scale = _pixels_per_mm(scene.extent_mm)
    canvas = [np.full((HEADING, WIDTH, 3), _rgb(NIGHT), np.uint8)]
    texts: list[_Text] = []
    for axis in range(3):
        top = sum(map(len, canvas))
        row, words = _row(scene, axis, scale, top, sides_known)
        canvas.append(row)
        texts += words
    return np.concatenate(canvas), texts


def _pixels_per_mm(extent_mm: NDArray[np.float64]) -> float:
    """One scale for every slice, so that sizes compare across rows."""
    x, y, z = extent_mm
    room = WIDTH - 2 * MARGIN
    fits = [(room - GAP * (n - 1)) / (n * w) for n, w in zip(COLUMNS, (y, x, x), strict=True)]
    return float(min(*fits, TALLEST / (z + z + y)))


def _row(
    scene: _Scene, axis: int, scale: float, top: int, sides_known: bool
) -> tuple[Pixels, list[_Text]]:
    positions = _positions(scene, axis)
    panels = [_panel(scene, axis, at, scale) for at in positions]
    height, width = panels[0].shape[:2]
    row = np.full((STRIP + height + GAP, WIDTH, 3), _rgb(NIGHT), np.uint8)
    free = WIDTH - 2 * MARGIN - len(panels) * width
    step = width + (free / (len(panels) - 1) if len(panels) > 1 else 0)
    texts = [
        _Text(MARGIN / 2, top + STRIP + height / 2, PLANES[axis], QUIET, 10, "center", rotation=90)
    ]
    doubt = "" if sides_known else "?"
    ends = ENDS[axis] if axis == 0 else tuple(end + doubt for end in ENDS[axis])
    color = ALARM if doubt and axis else INK
    for k, (panel, at) in enumerate(zip(panels, positions, strict=True)):
        left = MARGIN + round(k * step)
        row[STRIP : STRIP + height, left : left + width] = panel
        middle = top + STRIP / 2
        coordinate, side = _coordinate(scene, axis, at), ""
        if axis == 0 and 2 * at != positions[0] + positions[-1]:
            side = ("left" if 2 * at < positions[0] + positions[-1] else "right") + doubt
        words = _fitting(coordinate, side, width - 2 * CHARACTER * max(map(len, ends)))
        texts += [
            _Text(left + 2, middle, ends[0], color, weight="bold"),
            _Text(left + width / 2, middle, words, align="center"),
            _Text(left + width - 2, middle, ends[1], color, align="right", weight="bold"),
        ]
    return row, texts


def _positions(scene: _Scene, axis: int) -> list[int]:
    """Indices of the slices: evenly spread over the labels' extent, a little inside its ends."""
    first, last = extent(scene.labels if scene.labels.any() else scene.mask, axis)
    share = (np.arange(COLUMNS[axis]) + 0.75) / (COLUMNS[axis] + 0.5)
    return sorted({round(p) for p in first + share * (last - first)})


def _coordinate(scene: _Scene, axis: int, at: int) -> str:
    """World coordinate of a slice, at the middle of what it shows."""
    middle = [(s.start + s.stop - 1) / 2 for s in scene.box]
    middle[axis] = at
    value = round(float((scene.affine @ [*middle, 1])[axis]))
    return f"{'xyz'[axis]} = {'−' if value < 0 else ''}{abs(value)} mm"


def _fitting(coordinate: str, side: str, pixels: float) -> str:
    """The coordinate and the side as far as they fit between the marks of a slice, which may be a narrow one."""
    short = coordinate.removesuffix(" mm")
    forms = (f"{coordinate} {side}".rstrip(), coordinate, short, short.split(" = ")[-1])
    return next((form for form in forms if CHARACTER * len(form) <= pixels), "")


def _panel(scene: _Scene, axis: int, at: int, scale: float) -> Pixels:
    """One slice as (height, width, 3)."""
    grids = []
    for a in IN_PLANE[axis]:
        pixels = max(1, round(float(scene.extent_mm[a]) * scale))
        grids.append(
            pixel_centres(pixels, scene.box[a].stop - scene.box[a].start, scene.box[a].start)
        )
    cut = Slice(axis, at, *grids)
    grey, ids, brain = cut.linear(scene.image), cut.nearest(scene.labels), cut.nearest(scene.mask)
    return paint(grey, scene.window, ids, brain)


def _facts(
    scene: _Scene, counts: RegionCounts, affine: NDArray[np.float64], sides_known: bool
) -> list[str]:
    regions = f"regions found {counts.found}/{REGION_COUNT}"
    if 0 < len(counts.missing) <= 6:
        regions += f" (absent: {', '.join(region(index).name for index in counts.missing)})"
    millilitres = abs(np.linalg.det(scene.affine[:3, :3])) / 1000
    volumes = f"regions together {counts.by_region.sum() * millilitres:.0f} ml"
    if scene.mask.any():
        volumes = (
            f"brain {np.count_nonzero(scene.mask) * millilitres:.0f} ml (white line), {volumes}"
        )
    spacing = " × ".join(f"{s:.2f}" for s in np.linalg.norm(affine[:3, :3], axis=0))
    grid = f"voxels {spacing} mm, array axes {''.join(nib.aff2axcodes(affine))}"
    view = "Neurological view: the left of a coronal or axial slice is the subject's left."
    if not sides_known:
        view = "The header does not say which side is left, or contradicts itself: the marks L? and R? are a guess."
    if scene.tilt_degrees > 1:
        view += (
            f" Slices follow the scan's own axes, up to {scene.tilt_degrees:.0f}° from the world's;"
            " coordinates hold at a slice's middle."
        )
    return [f"{regions} · {volumes} · {grid}", view]


def _png(canvas: Pixels, texts: Sequence[_Text]) -> bytes:
    """The canvas, pixel for pixel, with words on it."""
    from matplotlib.figure import Figure

    height, width = canvas.shape[:2]
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    figure.figimage(canvas, origin="upper")
    for word in texts:
        figure.text(
            word.x / width,
            1 - word.y / height,
            word.text,
            color=word.color,
            fontsize=word.size,
            fontfamily="DejaVu Sans",
            fontweight=word.weight,
            ha=word.align,
            va="center",
            rotation=word.rotation,
            parse_math=False,
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a title in another script
        return to_png(figure, dpi=100)


def _rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue
