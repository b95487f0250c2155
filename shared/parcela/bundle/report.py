"""The report of one scan: picture, volumes and provenance on one HTML page that needs no other file, and no script.

Equal input gives equal bytes: how long it took stands in the manifest alone.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parcela.bundle.manifest import Manifest
from parcela.bundle.page import render_page
from parcela.bundle.region_table import MISSING, RegionRow
from parcela.files import write_text

Pair = tuple[RegionRow, RegionRow | None]  # left and right, or one of the midline

METHODS = {
    "predict": "Regions of AAL as a network finds them in the preprocessed scan.",
    "label": "Regions of AAL, brought to the scan by registration of the atlas.",
}


WHOLES = {
    "brain_mm3": "brain mask",
    "etiv_affine_mm3": "head (eTIV, affine)",
    "grey_mm3": "grey matter",
    "white_mm3": "white matter",
    "csf_mm3": "CSF",
}


def write_report(
    path: Path,
    *,
    title: str,
    picture: Path,
    rows: Sequence[RegionRow],
    manifest: Manifest,
    tissue_mm3: Mapping[str, NDArray[np.float64]] | None = None,
) -> None:
    """Write ``report.html``.

    Args:
        path: where to.
        title: the scan's name, or nothing where that is not to be told.
        picture: ``qc.png``, which goes into the page.
        rows: from ``region_table``.
        manifest: complete but for the files.
        tissue_mm3: by name, (117,) volumes in the background and each region.

    Raises:
        OSError: the picture cannot be read or the page not written.
    """
    page = render_page(
        __package__,
        "report.html",
        title=title or "Parcellation",
        method=METHODS.get(manifest.task, ""),
        picture=b64encode(picture.read_bytes()).decode(),
        rows=rows,
        manifest=manifest,
        lobes=list(_lobes(rows)),
        facts=_provenance(manifest),
        wholes=[(WHOLES[name], volume / 1000) for name, volume in manifest.volumes.items()],
        tissues=[(WHOLES[name], mm3 / 1000) for name, mm3 in (tissue_mm3 or {}).items()],
        ml=_ml,
        signed=_signed,
    )
    write_text(path, page)


def _lobes(rows: Sequence[RegionRow]) -> Iterator[tuple[str, list[Pair]]]:
    """Each lobe with its pairs of regions, left and right, and its regions of the midline, in the atlas's order."""
    by_id = {row.region.index: row for row in rows}
    firsts = sorted((row for row in rows if row.region.hemisphere != "R"), key=_lobe)
    for lobe, group in groupby(firsts, _lobe):
        yield (
            lobe,
            [(row, by_id[row.region.partner] if row.region.partner else None) for row in group],
        )


def _lobe(row: RegionRow) -> str:
    return row.region.lobe


def _ml(row: RegionRow) -> str:
    return f"{row.volume_mm3 / 1000:.2f}"


def _signed(index: float | None) -> str:
    return MISSING if index is None else f"{index:+.3f}"


def _provenance(manifest: Manifest) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if (scan := manifest.input) is not None:
        shape = "×".join(map(str, scan.shape))
        facts += [
            ("Scan", f"{shape} voxels, axes {scan.axes}"),
            ("SHA-256 of the scan", scan.sha256),
        ]
    facts += [
        (f"Weights, {network}", sha256 or MISSING) for network, sha256 in manifest.weights.items()
    ]
    facts += [("Settings", _list(_flat(manifest.parameters)))]
    return [*facts, ("Software", _list(manifest.software.items()))]


def _flat(parameters: Mapping[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings under one name each, such as ``n4.shrink_factor``."""
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)


def _list(pairs: Iterable[tuple[str, str]]) -> str:
    return "; ".join(f"{name} {text}" for name, text in pairs)
