"""The report of one scan on one HTML page that needs no other file, and no script; on paper it has three pages.

Equal input gives equal bytes: how long it took stands in the manifest alone.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parcela.bundle.manifest import Manifest, Origin
from parcela.bundle.page import render_page, words
from parcela.bundle.region_table import MISSING, RegionRow, asymmetry_index
from parcela.files import write_text
from parcela.quality.grade import Bound
from parcela.quality.verdict import BOUNDS, Quality

Pair = tuple[RegionRow, RegionRow | None]  # left and right, or one of the midline

HASHED = ("dseg.nii.gz", "desc-brain_mask.nii.gz")
WHOLES: Mapping[str, str] = {
    key.removeprefix("volume."): texts["en"]
    for key, texts in words().items()
    if key.startswith("volume.")
}


@dataclass(frozen=True)
class Lobe:
    """A lobe with its pairs of regions, left and right, and its regions of the midline, in the atlas's order."""

    name: str
    pairs: tuple[Pair, ...]

    @property
    def left_mm3(self) -> float:
        """Volume of its left regions, or of those of the midline."""
        return sum(row.volume_mm3 for row, _ in self.pairs)

    @property
    def right_mm3(self) -> float:
        """Volume of its right regions; 0 where it has none."""
        return sum(right.volume_mm3 for _, right in self.pairs if right is not None)

    @property
    def asymmetry_index(self) -> float | None:
        """Of both sides' volumes."""
        return asymmetry_index(self.left_mm3, self.right_mm3)


def write_report(
    path: Path,
    *,
    title: str,
    picture: Path,
    rows: Sequence[RegionRow],
    manifest: Manifest,
    origin: Origin | None = None,
    tissue_mm3: Mapping[str, NDArray[np.float64]] | None = None,
) -> None:
    """Write ``report.html``.

    Args:
        path: where to.
        title: the scan's name, or nothing where that is not to be told.
        picture: ``qc.png``, which goes into the page.
        rows: from ``region_table``.
        manifest: complete but for the hashes of files that come later.
        origin: the service's job, which stands on the page.
        tissue_mm3: by name, (117,) volumes in the background and each region.

    Raises:
        OSError: the picture cannot be read or the page not written.
    """
    lobes = list(_lobes(rows))
    page = render_page(
        __package__,
        "report.html",
        title=title or f"Parcellation{f', {origin.date}, {origin.job}' if origin else ''}",
        name=title,
        origin=origin,
        method=f"method.{manifest.task}" if f"method.{manifest.task}" in words() else "",
        picture=b64encode(picture.read_bytes()).decode(),
        rows=rows,
        manifest=manifest,
        sentences=list(_sentences(manifest)),
        lobes=lobes,
        most_of_lobes=max(max(lobe.left_mm3, lobe.right_mm3) for lobe in lobes) or 1,
        most_of_regions=max(row.volume_mm3 for row in rows) or 1,
        measures=list(_measures(manifest.quality)),
        facts=_provenance(manifest),
        tissues=tissue_mm3 or {},
        signed=_signed,
        plain=lambda number: f"{number:g}".replace("-", "−"),
    )
    write_text(path, page)


def _sentences(manifest: Manifest) -> Iterator[str]:
    """The verdict's reasons, then every warning but the one that says them once more."""
    quality = manifest.quality
    if quality is not None:
        yield from quality.reasons
    told = quality and quality.warning()
    yield from (warning for warning in manifest.warnings if warning != told)


def _lobes(rows: Sequence[RegionRow]) -> Iterator[Lobe]:
    by_id = {row.region.index: row for row in rows}
    firsts = sorted((row for row in rows if row.region.hemisphere != "R"), key=_lobe)
    for name, group in groupby(firsts, _lobe):
        pairs = ((row, by_id[row.region.partner] if row.region.partner else None) for row in group)
        yield Lobe(name, tuple(pairs))


def _lobe(row: RegionRow) -> str:
    return row.region.lobe


def _signed(index: float | None) -> str:
    return MISSING if index is None else f"{index:+.3f}"


def _measures(quality: Quality | None) -> Iterator[tuple[str, str, list[Bound]]]:
    """Each number that is judged: its name, its value, and the limits of what is usual."""
    for number, group in groupby(BOUNDS, lambda bound: bound.number):
        value = quality and quality.numbers.get(number)
        if value is not None:
            bounds = sorted(group, key=lambda bound: bound.mild)
            yield number, f"{value:.4g}", bounds


def _provenance(manifest: Manifest) -> list[tuple[str, str, str]]:
    """What a fact is called, what follows that, and the fact."""
    facts: list[tuple[str, str, str]] = []
    if (scan := manifest.input) is not None:
        shape = "×".join(map(str, scan.shape))
        sizes_mm = np.linalg.norm(np.array(scan.affine)[:3, :3], axis=0)
        size = "×".join(f"{size_mm:.3g}" for size_mm in sizes_mm)
        facts += [
            ("scan", "", f"{shape} voxels, {size} mm, {scan.axes}"),
            ("sha256", "", scan.sha256),
        ]
    facts += [(name, "", manifest.files[name]) for name in HASHED if name in manifest.files]
    facts += [
        ("weights", f", {network}", sha256 or MISSING)
        for network, sha256 in manifest.weights.items()
    ]
    facts += [("settings", "", _list(_flat(manifest.parameters)))]
    return [*facts, ("software", "", _list(manifest.software.items()))]


def _flat(parameters: Mapping[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings under one name each, such as ``n4.shrink_factor``."""
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)


def _list(pairs: Iterable[tuple[str, str]]) -> str:
    return "; ".join(f"{name} {text}" for name, text in pairs)
