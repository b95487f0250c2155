"""Where a preprocessed brain lies in a template's space, by an affine registration in a child process."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.colin27 import colin27
from parcela.errors import BadRequest
from parcela.imaging.geometry import Affine, Geometry, box_of
from parcela.imaging.preprocessed import Preprocessed
from parcela.imaging.standard_space import COLIN27, StandardSpace, affine_of_itk
from parcela.imaging.trail import Grid
from parcela.imaging.volume import Volume, read_volume, scan_name
from parcela.processes.isolation import run_isolated
from parcela_preprocess import native_tasks
from parcela_preprocess.brain import brain_of_stripped

Floats = NDArray[np.float64]


def colin27_space(ready: Preprocessed) -> StandardSpace:
    """Where a brain lies in the space of the atlas's own brain.

    Raises:
        StepFailed: ANTs crashed or refused the image.
    """
    atlas = colin27()
    x, y, z = atlas.brain.shape
    return _registered(ready, atlas.brain, Geometry.of_grid((x, y, z), atlas.affine), COLIN27)


def template_space(ready: Preprocessed, template: Volume) -> StandardSpace:
    """Where a brain lies in the space of a template, a brain that ``read_template`` has read; raises as above."""
    return _registered(ready, template.data, template.geometry, template.name)


def read_template(path: Path) -> Volume:
    """A template that a user has, named as BIDS's ``tpl-NAME_…`` says, else by the letters and digits of its name.

    Raises:
        BadScan: it cannot be read. BadRequest: it is no skull-stripped brain.
    """
    volume = read_volume(path)
    if brain_of_stripped(volume.data, volume.geometry.spacing_mm) is None:
        raise BadRequest(
            f"{path}: a whole head, or no brain at all: give the template's skull-stripped brain"
        )
    stem = scan_name(path)
    of_bids = re.match(r"tpl-([A-Za-z0-9]+)_", stem)
    name = of_bids[1] if of_bids else re.sub(r"[^A-Za-z0-9]", "", stem)
    return Volume(volume.data, volume.geometry, name or "template", volume.sha256)


def _registered(
    ready: Preprocessed, brain: NDArray[np.float32], geometry: Geometry, name: str
) -> StandardSpace:
    model = ready.trail.model
    start = _box_to_box(ready.image, model.affine, brain, geometry.affine)
    placed = Geometry.of_grid(model.shape, start @ model.affine)
    fitted = run_isolated(
        "affine",
        {
            "image": ready.image,
            "image_frame": _frame(placed),
            "template": brain,
            "template_frame": _frame(geometry),
        },
        module=native_tasks.__name__,
    )
    to_template = affine_of_itk(fitted["numbers"], fitted["centre"]) @ placed.orthonormal_affine()
    return StandardSpace(
        name=name,
        grid=Grid(shape=geometry.shape, affine=geometry.affine),
        to_template=to_template @ np.linalg.inv(model.affine),
    )


def _box_to_box(
    image: NDArray[np.float32], affine: Affine, other: NDArray[np.float32], other_affine: Affine
) -> Affine:
    """(4, 4) that lays one brain's box in the world on another's: a start from which a small brain is found too."""
    (low, high), (other_low, other_high) = _box_mm(image, affine), _box_mm(other, other_affine)
    scale = (other_high - other_low) / (high - low)
    start = np.diag([*scale, 1.0])
    start[:3, 3] = other_low - scale * low
    return start


def _box_mm(brain: NDArray[np.float32], affine: Affine) -> tuple[Floats, Floats]:
    """The lowest and the highest corner of a brain's box, each (3,), world mm."""
    box = box_of(brain > 0)
    ends = np.array(list(product(*((part.start, part.stop - 1) for part in box))))
    corners = ends @ affine[:3, :3].T + affine[:3, 3]
    return corners.min(0), corners.max(0)


def _frame(geometry: Geometry) -> NDArray[np.float64]:
    """(5, 3): origin, spacing and the rows of the direction, as ITK wants them."""
    origin, spacing, direction = geometry.itk_frame()
    return np.vstack([origin, spacing, direction])
