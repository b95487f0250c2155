"""Contact sheets: every prepared image with its labels drawn over it, many to a page, to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from parcela.files import atomic_file
from parcela.imaging.slices import ALARM, IN_PLANE, INK, NIGHT, Pixels, Slice, paint
from parcela_training.preparation.prepared_set import PreparedImage

PIXELS_PER_MM = 1.0
PLACES = (0.35, 0.5, 0.55)  # of each slice along its axis; the sagittal one off the midline
FRAME_MM = ((190, 170), (160, 170), (160, 190))  # width and height: sagittal, coronal, axial
COLUMNS, ROWS, GAP, TITLE, HEADING = 3, 8, 8, 18, 30
COLOURS = {"ok": INK, "doubtful": ALARM, "failed": "#ff5050"}
EVERY_VERDICT = ("failed", "doubtful", "ok")
PAGE = "contact-sheet-{:02d}.png"


def write_tile(path: Path, prepared: PreparedImage) -> None:
    """Three slices (sagittal, coronal, axial) with the opened labels over them, as PNG.

    The array's axes are taken to run nearest to RAS+, as the nine steps leave them; the view is neurological.
    """
    image = np.asarray(prepared.image, np.float32)
    spacing = np.linalg.norm(prepared.affine[:3, :3], axis=0)
    window = (0.0, float(np.percentile(image[image > 0], 99.5)) if (image > 0).any() else 1.0)
    slices = [_slice(image, prepared.label, axis, spacing, window) for axis in range(3)]
    height = max(picture.shape[0] for picture in slices)
    row = [np.pad(p, ((height - p.shape[0], 0), (0, GAP), (0, 0))) for p in slices]
    with atomic_file(path) as stream:
        Picture.fromarray(np.concatenate(row, axis=1)).save(stream, "PNG")


def _slice(
    image: NDArray[np.float32],
    labels: NDArray[np.uint8],
    axis: int,
    spacing: NDArray[np.float64],
    window: tuple[float, float],
) -> Pixels:
    """One slice in a frame of fixed size, (height, width, 3)."""
    at = round(PLACES[axis] * (image.shape[axis] - 1))
    grids = []
    for a, extent_mm in zip(IN_PLANE[axis], FRAME_MM[axis], strict=True):
        pixels = np.arange(round(extent_mm * PIXELS_PER_MM)) - (extent_mm * PIXELS_PER_MM - 1) / 2
        grids.append(pixels / PIXELS_PER_MM / spacing[a] + (image.shape[a] - 1) / 2)
    cut = Slice(axis, at, *grids)
    within = cut.within((image.shape[0], image.shape[1], image.shape[2]))
    return paint(cut.linear(image) * within, window, cut.nearest(labels) * within)


def write_contact_sheets(
    folder: Path, tiles: Sequence[tuple[Path, Mapping[str, str]]], title: str
) -> list[Path]:
    """Lay tiles out on pages, those with a bad verdict first; pages of an earlier, longer set are removed.

    Args:
        folder: where the pages go.
        tiles: each picture with its row of ``prepared.tsv``.
        title: printed at the top of each page, with its number.
    """
    order = sorted(tiles, key=lambda tile: (EVERY_VERDICT.index(tile[1]["verdict"]), tile[1]["id"]))
    most = COLUMNS * ROWS
    pages = [order[start : start + most] for start in range(0, len(order), most)]
    paths = [folder / PAGE.format(number) for number in range(1, len(pages) + 1)]
    for number, (path, page) in enumerate(zip(paths, pages, strict=True), start=1):
        with atomic_file(path) as stream:
            _page(page, f"{title} · page {number} of {len(pages)}").save(stream, "PNG")
    for stale in set(folder.glob(PAGE.replace("{:02d}", "*"))) - set(paths):
        stale.unlink()
    return paths


def _page(tiles: Iterable[tuple[Path, Mapping[str, str]]], title: str) -> Picture.Image:
    opened = [(Picture.open(path), row) for path, row in tiles]
    width = max(picture.width for picture, _ in opened) + GAP
    height = max(picture.height for picture, _ in opened) + TITLE + GAP
    rows = -(-len(opened) // COLUMNS)
    page = Picture.new("RGB", (COLUMNS * width + GAP, HEADING + rows * height), NIGHT)
    draw: Any = ImageDraw.Draw(page)
    draw.text((GAP, 7), title, INK, ImageFont.load_default(15))
    for place, (picture, row) in enumerate(opened):
        x, y = GAP + place % COLUMNS * width, HEADING + place // COLUMNS * height
        draw.text((x, y), _caption(row), COLOURS[row["verdict"]], ImageFont.load_default(12))
        page.paste(picture, (x, y + TITLE))
    return page


def _caption(row: Mapping[str, str]) -> str:
    made = f"mask {row['mask_from']}, labels {row['label_from']}"
    return f"{row['id']} · {row['split']} · {made} · {row['verdict']}"
