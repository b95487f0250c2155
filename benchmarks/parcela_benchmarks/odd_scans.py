"""What became of spoilt scans: Dice of each map against the sound scan's own, before and after a change.

The tables tell what lies below the work folder: a map that was not made is a dash.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import CLASS_COUNT
from parcela.imaging.volume import Volume
from parcela_benchmarks import one_map
from parcela_benchmarks.faults import REFERENCES, SITUATIONS, WHOLE_HEADS_ONLY, Fault, Faulty
from parcela_benchmarks.results import read_part, write_part
from parcela_training.cohorts.cohort import Image
from parcela_training.journal import Row
from parcela_training.metrics.measures import dice
from parcela_training.preparation.imported import read_mask
from parcela_training.report.document import Table

Mask = NDArray[np.uint8]

PAGE = Path(__file__).parents[2] / "docs" / "scans.md"
BEGIN, END = "<!-- written by benchmarks/odd_scans.py -->\n", "<!-- end of what is written -->\n"
UNMEASURED = "–"


@dataclass(frozen=True, slots=True)
class Parcela:
    """An installation of Parcela.

    Attributes:
        label: ``before`` or ``after``.
        python: its interpreter.
    """

    label: str
    python: str


def read_image(image: Image) -> tuple[Volume, Mask]:
    """A scan of the cohort and its brain mask."""
    from parcela.imaging.volume import read_volume

    scan = read_volume(image.path)
    return scan, read_mask(image.mask, scan) if image.mask else (scan.data > 0).astype(np.uint8)


def names_for(image: Image) -> list[str]:
    """The references and situations that an image can be put into: a stripped one has no head."""
    return [
        name for name in (*REFERENCES, *SITUATIONS) if image.mask or name not in WHOLE_HEADS_ONLY
    ]


def run(image: Image, names: Sequence[str], installations: Sequence[Parcela], work: Path) -> None:
    """Maps of a scan in each situation by each installation, below ``work``; what lies there is not made again."""
    scan, mask = read_image(image)
    for installation in installations:
        folders = []
        for name in names:
            folder = folder_of(image, name, work)
            if not (folder / f"{installation.label}.json").exists():
                _write(folder, _spoil_of(name)(scan, mask), scan)
                folders.append(str(folder))
        if folders:
            order = [installation.python, "-P", one_map.__file__, installation.label, *folders]
            subprocess.run(order, check=True)


def folder_of(image: Image, name: str, work: Path) -> Path:
    """Where the maps of a scan in one situation lie."""
    return work / image.id / name.replace(" ", "_")


def _spoil_of(name: str) -> Fault:
    return REFERENCES[name] if name in REFERENCES else SITUATIONS[name][1]


def _write(folder: Path, spoilt: Faulty, scan: Volume) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    affine = spoilt.scan.geometry.affine
    nib.save(nib.Nifti1Image(spoilt.scan.data, affine), folder / "scan.nii")
    if spoilt.mask is not None:
        nib.save(nib.Nifti1Image(spoilt.mask, affine), folder / "mask.nii")
    view = np.ones(scan.data.shape, np.bool_) if spoilt.view is None else spoilt.view
    np.savez_compressed(folder / "view.npz", view=view)
    order: dict[str, Any] = {
        "preprocess": spoilt.preprocess,
        "shape": scan.geometry.shape,
        "affine": scan.geometry.affine.tolist(),
    }
    (folder / "order.json").write_text(json.dumps(order))


def row(image: Image, name: str, labels: Sequence[str], work: Path) -> Row:
    """What became of one situation by each installation that has done it.

    Dice is the mean over the regions of the sound scan's map that lie wholly in view; a region not found counts 0.
    """
    fault, _, reference = SITUATIONS[name]
    folder, sound = (folder_of(image, part, work) for part in (name, reference))
    outcomes: dict[str, Any] = {}
    for label in labels:
        files = [folder / f"{label}.json", sound / f"{label}.json"]
        if not all(file.exists() for file in files):
            continue
        outcome = json.loads(files[0].read_text())
        if outcome["refused"] is None:
            view = np.load(folder / "view.npz")["view"]
            truth = np.load(sound / f"{label}.npz")["labels"]
            outcome |= _agreement(np.load(folder / f"{label}.npz")["labels"], truth, view)
        outcomes[label] = outcome
    return {"scan": image.id, "fault": fault, "situation": name, **outcomes}


def _agreement(found: Mask, truth: Mask, view: NDArray[np.bool_]) -> dict[str, Any]:
    whole = np.bincount(truth.ravel(), minlength=CLASS_COUNT)
    seen = np.bincount(truth[view], minlength=CLASS_COUNT)
    regions = np.flatnonzero((whole > 0) & (seen == whole))
    regions = regions[regions > 0]
    per_region = np.nan_to_num(dice(np.where(view, found, 0), np.where(view, truth, 0)))
    return {
        "dice": round(float(per_region[regions].mean()), 4),
        "regions_in_view": len(regions),
        "regions_found": int(np.unique(found[(found > 0) & view]).size),
    }


def table(rows: Sequence[Row], labels: Sequence[str]) -> Table:
    """A row for each situation and scan: Dice by installation, or what was refused, and what the last one said."""
    cells = tuple(
        (
            row["fault"],
            row["situation"],
            row["scan"],
            *(_dice_cell(row.get(label)) for label in labels),
            _verdict_cell(row.get(labels[-1])),
            _said(row.get(labels[-1])),
        )
        for row in rows
    )
    columns = ("Fault", "Situation", "Scan", *(label.capitalize() for label in labels))
    return Table(
        "1",
        "Faulty scans against the sound scan's own map",
        (*columns, "Verdict", "Said"),
        cells,
        "U-Net. Mean Dice over the regions wholly in view, on the sound scan's grid; a region not found counts 0. "
        f"{UNMEASURED}: not measured.",
        missing="nothing was run.",
    )


def page_table(rows: Sequence[Row]) -> str:
    """The same for the documentation: a row for each situation, before and after beside each other for each scan."""
    scans = list(dict.fromkeys(row["scan"] for row in rows))
    by_place = {(row["situation"], row["scan"]): row for row in rows}
    head = ["", "what was done to the scan"]
    for scan in scans:
        head += [f"{scan}: regions", "before", "now", "verdict"]
    lines = [head, ["---"] * len(head)]
    for situation in dict.fromkeys(row["situation"] for row in rows):
        line = [next(row["fault"] for row in rows if row["situation"] == situation), situation]
        for scan in scans:
            row = by_place.get((situation, scan), {})
            before, after = row.get("before"), row.get("after")
            seen = (after or before or {}).get("regions_in_view", UNMEASURED)
            line += [str(seen), _dice_cell(before), _dice_cell(after), _verdict_cell(after)]
        lines.append(line)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_page(rows: Sequence[Row]) -> None:
    """Put the table into its place in the documentation."""
    write_part(PAGE, BEGIN, END, page_table(rows))


def page_table_as_written() -> str:
    """The table that stands in the documentation."""
    return read_part(PAGE, BEGIN, END)


def _dice_cell(outcome: Mapping[str, Any] | None) -> str:
    if outcome is None:
        return UNMEASURED
    return "refused" if outcome["refused"] else f"{outcome['dice']:.3f}"


def _verdict_cell(outcome: Mapping[str, Any] | None) -> str:
    return (outcome or {}).get("verdict") or UNMEASURED


def _said(outcome: Mapping[str, Any] | None) -> str:
    if outcome is None:
        return UNMEASURED
    return outcome["refused"] or "; ".join(outcome["warnings"]) or "nothing"
