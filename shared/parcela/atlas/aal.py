"""The AAL atlas: 116 regions, their label volume, and Colin27, the brain they were drawn on.

AAL: Tzourio-Mazoyer et al. 2002, doi:10.1006/nimg.2001.0978. Colin27: Holmes et al. 1998,
doi:10.1097/00004728-199803000-00032. Origin, licence and hashes of the files: ``data/PROVENANCE.md``.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, cast

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from parcela.errors import BadRequest, Unavailable
from parcela.files import sha256_of
from parcela.settings import settings

REGION_COUNT = 116
CLASS_COUNT = 117  # the regions and the background, 0

_DATA = Path(__file__).parent / "data"
AAL_LABELS = _DATA / "aal.nii.gz"
COLIN27_HEAD = _DATA / "ch2.nii.gz"
COLIN27_BRAIN = _DATA / "ch2bet.nii.gz"
_REGIONS = _DATA / "regions.tsv"
_HASHES = _DATA / "SHA256SUMS"

Hemisphere = Literal["L", "R", "M"]


@dataclass(frozen=True, slots=True)
class Region:
    """One of the 116 regions of AAL, a row of the atlas's table.

    Attributes:
        index: id in every label map, 1 to 116; 0 is the background.
        name: as AAL spells it, such as ``Precentral_L``.
        code: AAL's own four-digit number, such as 2001.
        hemisphere: ``L``, ``R``, or ``M`` for the vermis on the midline.
        lobe: the group of Tzourio-Mazoyer et al. 2002, such as ``Central``.
        color: ``#rrggbb``; the two sides of a region share a hue, the left is the lighter.
        partner: index of the same region on the other side; None on the midline.
    """

    index: int
    name: str
    code: int
    hemisphere: Hemisphere
    lobe: str
    color: str
    partner: int | None

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as red, green, blue, each 0 to 255."""
        red, green, blue = bytes.fromhex(self.color.removeprefix("#"))
        return red, green, blue


@cache
def regions() -> tuple[Region, ...]:
    """The 116 regions in the order of their ids, so that region ``i`` is ``regions()[i - 1]``.

    Raises:
        Unavailable: the table that came with this installation is missing or damaged.
    """
    with intact(_REGIONS).open(encoding="utf-8", newline="") as file:
        return tuple(_region(row) for row in csv.DictReader(file, delimiter="\t"))


def _region(row: dict[str, str]) -> Region:
    index, side = int(row["index"]), cast(Hemisphere, row["hemisphere"])
    partner = {"L": index + 1, "R": index - 1, "M": None}[side]
    code = int(row["code"])
    return Region(index, row["name"], code, side, row["lobe"], row["color"], partner)


def region(index_or_name: int | str) -> Region:
    """One region, by its id (1 to 116) or by its name as AAL spells it, upper or lower case.

    Raises:
        BadRequest: there is no such region.
    """
    wanted = index_or_name.casefold() if isinstance(index_or_name, str) else index_or_name
    for each in regions():
        if wanted in (each.index, each.name.casefold()):
            return each
    raise BadRequest(
        f"AAL has no region {index_or_name!r}: give an id from 1 to {REGION_COUNT} "
        "or a name such as Precentral_L (`parcela regions` lists them)"
    )


def flip_table() -> NDArray[np.uint8]:
    """(117,) uint8: the id that each id becomes when left and right are exchanged.

    ``flip_table()[labels]`` relabels a label map whose array was mirrored left to right. The background and the
    vermis stay as they are.
    """
    table = np.arange(CLASS_COUNT, dtype=np.uint8)
    for each in regions():
        if each.partner is not None:
            table[each.index] = each.partner
    return table


def color_table() -> NDArray[np.uint8]:
    """(117, 3) uint8: red, green, blue of each id; the background is black."""
    return np.array([(0, 0, 0), *(each.rgb for each in regions())], dtype=np.uint8)


def atlas_labels() -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """AAL's label volume on Colin27's grid.

    Returns:
        (181, 217, 181) uint8 of ids 0 to 116, axes RAS+; and the (4, 4) affine, voxel index to world mm.

    Raises:
        Unavailable: the file that came with this installation is missing or damaged.
    """
    image = cast(nib.Nifti1Image, nib.load(intact(AAL_LABELS)))
    affine = np.asarray(image.affine, dtype=np.float64)
    return np.asarray(image.dataobj).astype(np.uint8), affine


def intact(path: Path) -> Path:
    """Where one of the atlas's files lies, once its SHA-256 is the one published with it.

    A volume is taken from the folder ``PARCELA_ATLAS``, where that is set.

    Raises:
        Unavailable: the file is missing, or its bytes are not the published ones.
    """
    file, remedy = path, "install Parcela again"
    if settings().atlas and path in (AAL_LABELS, COLIN27_HEAD, COLIN27_BRAIN):
        file = cast(Path, settings().atlas) / path.name
        remedy = "PARCELA_ATLAS must hold the files of Debian's mricron-data"
    if not (file.is_file() and _HASHES.is_file()):
        raise Unavailable(
            f"{file}: this file of the atlas, or its list of hashes, is missing: {remedy}"
        )
    if sha256_of(file) != _published_hashes().get(file.name):
        raise Unavailable(f"{file}: this file of the atlas is damaged (SHA-256 differs): {remedy}")
    return file


@cache
def _published_hashes() -> dict[str, str]:
    lines = _HASHES.read_text(encoding="utf-8").splitlines()
    return {name: sha256 for sha256, name in (line.split() for line in lines)}
