"""AAL's regions as the look-up tables that other programs read: ids, names, colours, places.

What each program wants is said by its own documentation: FreeSurfer's ``LUT`` files; ITK-SNAP's label descriptions;
MRtrix3's ``labelconvert``; Connectome Workbench's ``-volume-label-import``; BrainNet Viewer's node files; MRIcron's
``.nii.txt``; SPM's and FieldTrip's ``ROI_MNI_V4.txt``; nilearn's ``lut``, which is BIDS's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from parcela.atlas.aal import Region, atlas_labels, regions
from parcela.atlas.counts import mean_places
from parcela.atlas.crosswalk import ids_of
from parcela.options import Program


def lookup_table(program: Program) -> str:
    """The 116 regions as one program's own look-up table, lines ended by a newline.

    Raises:
        Unavailable: a file of the atlas is missing or damaged (``brainnet`` measures the atlas's label volume).
    """
    return "\n".join(_WRITERS[program]()) + "\n"


def _freesurfer() -> list[str]:
    rows = [(0, "Background", (0, 0, 0)), *((r.index, r.name, r.rgb) for r in regions())]
    return [
        "# AAL, 116 regions: id, name, red, green, blue, 0",
        *(
            f"{index:<4} {name:<24} {red:>3} {green:>3} {blue:>3} 0"
            for index, name, (red, green, blue) in rows
        ),
    ]


def _itksnap() -> list[str]:
    rows = [
        (0, "Clear Label", (0, 0, 0), 0),
        *((r.index, r.name, r.rgb, 1) for r in regions()),
    ]
    return [
        "# ITK-SNAP label description file",
        "# AAL: id R G B opacity visible mesh name",
        *(
            f'{index:>5} {red:>5} {green:>4} {blue:>4} {shown:>8} {shown:>2} {shown:>2}    "{name}"'
            for index, name, (red, green, blue), shown in rows
        ),
    ]


def _spm() -> list[str]:
    return [f"{region.name}\t{region.name}\t{region.code}" for region in regions()]


def _mrtrix() -> list[str]:
    ids = ids_of("mrtrix")
    ordered = sorted(regions(), key=lambda region: int(ids[region.index]))
    return [
        "0 Unknown 0 0 0 0",
        *(f"{ids[r.index]} {r.name} {_rgb(r)} 255" for r in ordered),
    ]


def _brainnet() -> list[str]:
    """Centroid in mm, a colour for each lobe, one size, the name: BrainNet Viewer's six columns."""
    lobes = list(dict.fromkeys(region.lobe for region in regions()))
    return [
        f"{x:.2f}\t{y:.2f}\t{z:.2f}\t{lobes.index(region.lobe) + 1}\t1\t{region.name}"
        for region, (x, y, z) in zip(regions(), _centroids_mm(), strict=True)
    ]


def _centroids_mm() -> list[tuple[float, float, float]]:
    """The mean place of each region's voxels on Colin27, world mm."""
    labels, affine = atlas_labels()
    world = mean_places(labels) @ affine[:3, :3].T + affine[:3, 3]
    return [(float(x), float(y), float(z)) for x, y, z in world]


def _workbench() -> list[str]:
    return [line for r in regions() for line in (r.name, f"{r.index} {_rgb(r)} 255")]


def _mricron() -> list[str]:
    return [f"{region.index} {region.name} {region.code}" for region in regions()]


def _nilearn() -> list[str]:
    return [
        "index\tname\tcolor",
        "0\tBackground\t#000000",
        *(f"{region.index}\t{region.name}\t{region.color}" for region in regions()),
    ]


def _rgb(region: Region) -> str:
    return " ".join(map(str, region.rgb))


_WRITERS: Mapping[Program, Callable[[], list[str]]] = {
    "spm": _spm,
    "mrtrix": _mrtrix,
    "brainnet": _brainnet,
    "workbench": _workbench,
    "mricron": _mricron,
    "itksnap": _itksnap,
    "freesurfer": _freesurfer,
    "nilearn": _nilearn,
}
