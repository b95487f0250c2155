"""The group level: one table of all scans and regions, and one page to look them through."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from parcela.atlas.aal import REGION_COUNT, regions
from parcela.bundle.manifest import Manifest
from parcela.bundle.page import render_page
from parcela.bundle.prediction import REPORTED
from parcela.bundle.report import WHOLES
from parcela.bundle.write import file_name
from parcela.errors import BadRequest
from parcela.files import write_text, write_tsv
from parcela.record import BadRecord
from parcela_cli.bids.dataset import BidsScan
from parcela_cli.bids.participants import failure_file
from parcela_cli.destination import writing

LONG, WIDE, PAGE = "group_atlas-AAL_volumes.tsv", "group_atlas-AAL_wide.tsv", "group.html"
# Median absolute deviations, scaled to a standard deviation (Iglewicz and Hoaglin 1993)
OUTLIER = 3.5
MAD_TO_SD = 1.4826
TISSUE_COLUMNS = {f"{tissue}_mm3" for tissue in REPORTED}


@dataclass(frozen=True)
class ScanRow:
    """One scan on the group's page.

    Attributes:
        scan: which.
        table: its 116 rows by column, empty where it failed.
        manifest: how it was made; None where it failed or was not done.
        failure: why it has no result.
    """

    scan: BidsScan
    table: tuple[dict[str, str], ...]
    manifest: Manifest | None
    failure: str = ""

    @property
    def label(self) -> str:
        """Participant, session and what else tells the scan from others."""
        return self.scan.name.removesuffix("_atlas-AAL")

    @property
    def volumes_mm3(self) -> list[float]:
        """Of the 116 regions."""
        return [float(row["volume_mm3"]) for row in self.table]

    @property
    def verdict(self) -> str:
        """On the map's quality; empty where nothing judged it."""
        quality = self.manifest.quality if self.manifest else None
        return quality.verdict if quality else ""

    @property
    def wholes_mm3(self) -> dict[str, float]:
        """Of the brain and the head, by column; empty where the manifest tells none."""
        return dict(self.manifest.volumes) if self.manifest else {}

    @property
    def numbers(self) -> dict[str, float]:
        """What the verdict on the quality rests on, by column."""
        quality = self.manifest.quality if self.manifest else None
        measured = quality.numbers if quality else {}
        return {f"qc_{name}": value for name, value in measured.items() if value is not None}

    @property
    def total_ml(self) -> float:
        """Of all regions together."""
        return sum(self.volumes_mm3) / 1000

    @property
    def missing(self) -> int:
        """Regions without a voxel."""
        return sum(row["voxels"] == "0" for row in self.table)


def write_group(scans: Sequence[BidsScan], out: Path) -> list[Path]:
    """Write the long table, the wide table and the page of all scans.

    Returns:
        Their paths.

    Raises:
        BadRequest: no scan has a result yet. StepFailed: the disk refused.
    """
    rows = [_read(scan, out) for scan in scans]
    done = [row for row in rows if row.manifest is not None]
    if not done:
        raise BadRequest(f"{out}: holds no results yet: run the participant level first")
    with writing(out):
        _write_long(out / LONG, done)
        _write_wide(out / WIDE, done)
        write_text(out / PAGE, _page(rows, out))
    return [out / LONG, out / WIDE, out / PAGE]


def _read(scan: BidsScan, out: Path) -> ScanRow:
    folder = scan.folder(out)
    try:
        manifest = Manifest.from_json((folder / file_name("manifest", scan.name)).read_bytes())
        with (folder / file_name("table", scan.name)).open(encoding="utf-8", newline="") as file:
            table = tuple(csv.DictReader(file, delimiter="\t"))
    except (OSError, BadRecord):
        try:
            reason = failure_file(scan, out).read_text(encoding="utf-8").strip()
        except OSError:
            reason = "not done yet"
        return ScanRow(scan, (), None, reason)
    return ScanRow(scan, table, manifest)


def _write_long(path: Path, rows: Sequence[ScanRow]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row.table[0]))
    write_tsv(
        path,
        ["participant_id", "session_id", "scan", *columns],
        (
            [f"sub-{row.scan.participant}", _session(row), row.label]
            + [region.get(column, "n/a") for column in columns]
            for row in rows
            for region in row.table
        ),
    )


def _write_wide(path: Path, rows: Sequence[ScanRow]) -> None:
    names = [region.name for region in regions()]
    wholes = list(dict.fromkeys(name for row in rows for name in row.wholes_mm3))
    tissues = [name for name in wholes if name in TISSUE_COLUMNS]
    checks = list(dict.fromkeys(name for row in rows for name in row.numbers))
    about = ("participant_id", "session_id", "scan", "quality", "regions", "total_mm3")
    of_tissues = [f"{name}_{tissue}" for tissue in tissues for name in names]
    write_tsv(
        path,
        [*about, *wholes, *names, *of_tissues, *checks],
        (
            [f"sub-{row.scan.participant}", _session(row), row.label, row.verdict or "n/a"]
            + [REGION_COUNT - row.missing, f"{sum(row.volumes_mm3):.9g}"]
            + [_cell(row.wholes_mm3, name) for name in wholes]
            + [region["volume_mm3"] for region in row.table]
            + [region.get(tissue, "n/a") for tissue in tissues for region in row.table]
            + [_cell(row.numbers, name) for name in checks]
            for row in rows
        ),
    )


def _cell(values: Mapping[str, float], name: str) -> str:
    return f"{values[name]:.9g}" if name in values else "n/a"


def _session(row: ScanRow) -> str:
    return f"ses-{row.scan.session}" if row.scan.session else "n/a"


def outlying(values: Sequence[float]) -> list[float]:
    """How far each value lies from the median, in robust standard deviations; 0 where all are alike."""
    middle = median(values)
    spread = MAD_TO_SD * median(abs(value - middle) for value in values)
    return [(value - middle) / spread if spread else 0.0 for value in values]


def _doubts(rows: Sequence[ScanRow]) -> dict[str, list[str]]:
    """What is odd about each scan beside the others, by its label."""
    doubts: dict[str, list[str]] = {row.label: [] for row in rows}
    totals = outlying([row.total_ml for row in rows])
    for row, deviation in zip(rows, totals, strict=True):
        if abs(deviation) > OUTLIER:
            side = "above" if deviation > 0 else "below"
            doubts[row.label].append(f"total volume far {side} the others'")
        if row.missing:
            doubts[row.label].append(f"{row.missing} regions are missing")
    for name, words in WHOLES.items():
        having = [row for row in rows if name in row.wholes_mm3]
        deviations = outlying([row.wholes_mm3[name] for row in having]) if having else []
        for row, deviation in zip(having, deviations, strict=True):
            if abs(deviation) > OUTLIER:
                doubts[row.label].append(f"{words}: {_ml(row, name)} ml")
    for place, region in enumerate(regions()):
        deviations = outlying([row.volumes_mm3[place] for row in rows])
        for row, deviation in zip(rows, deviations, strict=True):
            if abs(deviation) > 2 * OUTLIER:
                doubts[row.label].append(f"{region.name}: {row.volumes_mm3[place] / 1000:.1f} ml")
    return doubts


def _page(rows: Sequence[ScanRow], out: Path) -> str:
    done = [row for row in rows if row.manifest is not None]
    doubts = _doubts(done)
    wholes = [name for name in WHOLES if any(name in row.wholes_mm3 for row in done)]
    shown = [
        {
            "label": row.label,
            "failure": row.failure,
            "picture": _link(row, out, "qc"),
            "report": _link(row, out, "report"),
            "verdict": row.verdict,
            "regions": REGION_COUNT - row.missing if row.manifest else "",
            "total": f"{row.total_ml:.0f}" if row.manifest else "",
            "wholes": [_ml(row, name) for name in wholes],
            "seconds": f"{sum(row.manifest.seconds.values()):.0f}" if row.manifest else "",
            "doubts": doubts.get(row.label, []),
            "warnings": row.manifest.warnings if row.manifest else (),
        }
        for row in rows
    ]
    return render_page(
        "parcela_cli.bids",
        "group.html",
        title="AAL regions of the group",
        rows=shown,
        wholes=[WHOLES[name] for name in wholes],
        done=len(done),
        failed=len(rows) - len(done),
        tables=(LONG, WIDE),
    )


def _ml(row: ScanRow, name: str) -> str:
    return f"{row.wholes_mm3[name] / 1000:.0f}" if name in row.wholes_mm3 else ""


def _link(row: ScanRow, out: Path, kind: str) -> str:
    path = row.scan.folder(out) / file_name(kind, row.scan.name)  # type: ignore[arg-type]
    return os.path.relpath(path, out).replace(os.sep, "/") if row.manifest else ""
