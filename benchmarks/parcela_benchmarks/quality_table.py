"""The verdicts on good and spoilt maps, beside how much was spoilt, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from parcela.atlas.counts import dice
from parcela.imaging.geometry import Geometry
from parcela.options import Network
from parcela.quality.assess import on_grid
from parcela.quality.measures import sides_right
from parcela.quality.verdict import Quality, graded
from parcela.weights.cards import read_card
from parcela_benchmarks.quality_runs import GOOD, Case, Run
from parcela_training.options import TITLES
from parcela_training.report.document import Table

GRAVE = 0.5  # Dice against the unspoilt map
SWAPPED = ("sides swapped", "the map written mirrored")
Row = dict[str, Any]


def judged(case: Case, run: Run, network: Network, work: Path) -> Row:
    """One case by one network: its verdict, and Dice of its map against the unspoilt scan's, in world space."""
    row: Row = {
        "network": network,
        "kind": case.kind,
        "way": case.way,
        "part": case.part,
        "subject": case.subject,
    }
    labels = run.maps[network]
    quality = quality_of(run, network)
    if case.kind == GOOD:
        swapped = quality_of(run, network, swapped=True)
        row |= {"dice": 1.0, "swapped": swapped.verdict}
    else:
        unspoilt = Run.load(work / Case(case.subject, case.part).file)
        pull = np.linalg.inv(unspoilt.affine) @ np.linalg.inv(run.moved) @ run.affine
        carried = ndimage.affine_transform(
            unspoilt.maps[network], pull[:3, :3], pull[:3, 3], labels.shape, order=0
        )
        row["dice"] = float(np.nanmean(dice(labels, carried)[1:]))
    return row | {
        "verdict": quality.verdict,
        "reasons": quality.reasons,
        "numbers": dict(quality.numbers),
        "certainty": run.certainty[network],
    }


def quality_of(run: Run, network: Network, *, swapped: bool = False) -> Quality:
    """The verdict from what is measured on the networks' grid; ``swapped``: the map written with its sides exchanged.

    What only the scan itself shows (its header, its intensities) is no part of it; of what the preprocessing said, only
    that the field of view cuts the brain.
    """
    labels = run.maps[network]
    numbers, _ = on_grid(run.image, run.affine, labels)
    geometry = Geometry.of_grid(labels.shape, run.affine)
    affine = run.affine @ np.diag([-1.0, 1, 1, 1]) if swapped else run.affine
    voxel_ml = geometry.voxel_volume_mm3 / 1000
    numbers |= {
        "brain_ml": float((run.image > 0).sum()) * voxel_ml,
        "sides_right": sides_right(labels, affine),
        "cut_cm2": float(any("CUTS THE BRAIN" in warning for warning in run.warnings)),
    }
    if network == "warp":
        numbers["bent_mm"] = run.bent_mm
    return graded(numbers, {network: run.certainty[network]}, {network: read_card(network).sha256})


def table(rows: Sequence[Row]) -> Table:
    """How many maps of each kind got which verdict."""
    groups: dict[tuple[Network, str, str], list[Row]] = {}
    for row in rows:
        name = row["way"] or {"val": "validation", "test": "test"}[row["part"]]
        groups.setdefault((row["network"], row["kind"], name), []).append(row)
        if "swapped" in row:
            mirrored = {**row, "verdict": row["swapped"], "dice": 0.0}
            groups.setdefault((row["network"], *SWAPPED), []).append(mirrored)
    lines = [_line(*key, group) for key, group in groups.items()]
    return Table(
        "1",
        "Verdicts on good maps and on spoilt ones",
        ("Network", "Kind", "Way", "Maps", "Dice", "ok", "look", "doubtful"),
        tuple(lines),
        "Dice: mean over regions against the same scan's unspoilt map, in world space.",
    )


def _line(network: Network, kind: str, way: str, group: Sequence[Row]) -> tuple[str, ...]:
    counts = [sum(row["verdict"] == grade for row in group) for grade in ("ok", "look", "doubtful")]
    mean = f"{np.mean([row['dice'] for row in group]):.2f}"
    return (TITLES[network], kind, way, str(len(group)), mean, *map(str, counts))
