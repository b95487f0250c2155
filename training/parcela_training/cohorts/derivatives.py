"""Brain masks and AAL labels that others have made of a BIDS data set's scans."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from parcela_training.cohorts.cohort import listed
from parcela_training.cohorts.entities import Name
from parcela_training.cohorts.nifti_files import find_nifti

Source = frozenset[tuple[str, str]]
OWN_SPACES = {"", "T1w", "orig", "scan", "native", "individual"}  # the scan's grid
STANDARD_SPACE = re.compile(
    r"MNI|ICBM|Talairach|fsaverage|fsLR|Colin27|OASIS|UNC|NKI|WHS", re.IGNORECASE
)
AAL = "aal"


@dataclass(frozen=True, slots=True)
class Derivatives:
    """What was found, by the entities of the scan it was made from.

    Attributes:
        masks: brain masks on the scan's grid.
        labels: label maps of AAL, in the scan's world but not always on its grid.
        warnings: one sentence each.
    """

    masks: Mapping[Source, Path]
    labels: Mapping[Source, Path]
    warnings: tuple[str, ...]


def find_derivatives(folder: Path) -> Derivatives:
    """Look through a data set's ``derivatives`` folder, which may be absent.

    A mask is ``…_desc-brain_mask`` on the scan's own grid (no ``space-``, or one that says so). A label map is
    ``…_dseg`` with ``seg-AAL`` or ``atlas-AAL``, in any space that is not a standard one. Of several the first in the
    order of the paths counts.
    """
    nifti = find_nifti(folder) if folder.is_dir() else None
    files = [(path, Name.of(path)) for path in nifti.files] if nifti else []
    maps = [(path, name) for path, name in files if name.suffix == "dseg"]
    others = [path for path, name in maps if _atlas(name) != AAL]
    masks, many_masks = _first(files, _is_brain_mask)
    labels, many_labels = _first(maps, _is_aal)
    warnings = list(nifti.warnings) if nifti else []
    for kind, many in (("brain masks", many_masks), ("label maps", many_labels)):
        if many:
            warnings.append(
                f"{len(many)} scans have several {kind}: the first by path is used ({listed(many)})"
            )
    if others:
        warnings.append(
            f"{len(others)} label maps in {folder} are not marked seg-AAL ({listed(p.name for p in others)}): not used"
        )
    return Derivatives(masks, labels, tuple(warnings))


def _first(
    files: Iterable[tuple[Path, Name]], wanted: Callable[[Name], bool]
) -> tuple[dict[Source, Path], list[str]]:
    """Per scan the first wanted file, and the names of the scans that have more than one."""
    chosen: dict[Source, Path] = {}
    more = {}
    for path, name in files:
        if not wanted(name):
            continue
        if name.source in chosen:
            more[name.source] = chosen[name.source].name
        chosen.setdefault(name.source, path)
    return chosen, list(more.values())


def _is_brain_mask(name: Name) -> bool:
    space = name.entities.get("space", "")
    return name.suffix == "mask" and name.entities.get("desc") == "brain" and space in OWN_SPACES


def _is_aal(name: Name) -> bool:
    return _atlas(name) == AAL and not STANDARD_SPACE.match(name.entities.get("space", ""))


def _atlas(name: Name) -> str:
    return (name.entities.get("seg") or name.entities.get("atlas") or "").casefold()
