"""AAL's regions under the ids that other programs give them: SPM's four-digit codes, MRtrix's order.

A label map holds one of these *id schemes*:

- ``parcela``: 1 to 116, AAL's order, as MRIcron, BrainNet Viewer and every file of Parcela have it;
- ``spm``: AAL's own codes, 2001 to 9170, the voxels of ``ROI_MNI_V4.nii`` (the authors' ``readme``; nilearn's
  ``fetch_atlas_aal`` has the same);
- ``mrtrix``: 1 to 116 in the order of MRtrix3's ``labelconvert/aal.txt``: the left side from the front, the vermis in
  the middle, then the right side, so that a connectome's matrix shows its two hemispheres as blocks.
"""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import REGION_COUNT, Region, regions
from parcela.errors import BadRequest
from parcela.options import IdScheme

Ids = NDArray[np.uint16]


def ids_of(scheme: IdScheme) -> Ids:
    """(117,) uint16: what each of Parcela's ids is called in a scheme; the background is 0 in all of them."""
    by_scheme = {"parcela": _own, "spm": _spm, "mrtrix": _mrtrix}
    return by_scheme[scheme]()


def scheme_of(labels: NDArray[Any]) -> IdScheme | None:
    """The scheme that a label map's values can only be of; None where they may be Parcela's or MRtrix's.

    Args:
        labels: whole numbers of any shape, 0 for the background.

    Raises:
        BadRequest: the values fit no scheme.
    """
    values = np.unique(labels)
    for scheme in get_args(IdScheme):
        if np.isin(values, ids_of(scheme)).all():
            return "spm" if scheme == "spm" and values.max() > REGION_COUNT else None
    odd = values[(values < 0) | (values > REGION_COUNT)][0]
    raise BadRequest(
        f"value {odd:g} is no region of AAL under any scheme ({', '.join(get_args(IdScheme))}): "
        "is this another atlas, such as AAL2 or AAL3?"
    )


def converted(labels: NDArray[Any], source: IdScheme, target: IdScheme) -> Ids:
    """The label map with another scheme's ids, uint16, of the same shape.

    Raises:
        BadRequest: a value is no id of ``source``.
    """
    source_ids = ids_of(source).astype(np.int64)
    order = np.argsort(source_ids)
    place = np.searchsorted(source_ids, labels, sorter=order).clip(max=REGION_COUNT)
    indices = order[place]
    strange = np.unique(labels[source_ids[indices] != labels])
    if strange.size:
        raise BadRequest(f"value {strange[0]:g} is no id of AAL in the scheme {source!r}")
    ids: Ids = ids_of(target)[indices]
    return ids


def _own() -> Ids:
    return np.arange(REGION_COUNT + 1, dtype=np.uint16)


def _spm() -> Ids:
    return np.array([0, *(region.code for region in regions())], np.uint16)


def _mrtrix() -> Ids:
    ids = np.zeros(REGION_COUNT + 1, np.uint16)
    for place, region in enumerate(sorted(regions(), key=_block), start=1):
        ids[region.index] = place
    return ids


def _block(region: Region) -> tuple[int, int]:
    """Cortex, nuclei and cerebellum of the left, the vermis, then cerebellum, nuclei and cortex of the right."""
    depth = {"7": 1, "9": 2}.get(str(region.code)[0], 0)
    side = {"L": depth, "M": 3, "R": {2: 4, 1: 5, 0: 6}[depth]}[region.hemisphere]
    return side, region.index
