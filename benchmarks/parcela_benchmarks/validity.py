"""One head in many files: what its map and its volumes owe to the machine, to the file's form, and to the picture.

Every map is made by the command ``parcela predict`` itself, several files to a start, and kept as soon as it is made.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from parcela.imaging.volume import Volume, read_volume
from parcela_benchmarks.degrade import (
    Degraded,
    Mask,
    noisy,
    resampled,
    rotated,
    slices,
    there_and_back,
    turn,
)
from parcela_benchmarks.pairs import AVX2
from parcela_benchmarks.results import read_part, write_part
from parcela_benchmarks.volumes import region_mm3
from parcela_training.cohorts.cohort import Image
from parcela_training.hardware import hardware
from parcela_training.journal import Row
from parcela_training.preparation.imported import read_mask
from parcela_training.report.cells import MISSING
from parcela_training.report.document import Table

PAGE = Path(__file__).parents[2] / "docs" / "validity.md"
BEGIN, END = "<!-- benchmarks/validity.py wrote this -->\n", "<!-- up to here -->\n"
ORIGINAL = "as it came"
GOAL_MEDIAN, GOAL_95TH = 3.0, 10.0  # % of a region's volume
LARGE_MM3 = 5000.0
FAST: dict[str, tuple[str, ...]] = {
    "warp": ("--fast", "--model", "warp"),
    "unet": ("--fast", "--model", "unet"),
}
MODES = {**FAST, "robex": ("--skull-strip", "robex", "--model", "warp")}
Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to give a head to the command.

    Attributes:
        write: writes the file from the scan, its mask and its image as nibabel read it.
        back: a map on the file's voxels as one on the scan's.
        packed: whether the file is .nii.gz.
        options: further options of the command.
        environment: further variables.
    """

    write: Callable[[Path, Volume, Mask, Any], None]
    back: Callable[[Labels], Labels] = np.asarray
    packed: bool = True
    options: tuple[str, ...] = ("--threads", "1")
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def start(self) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        """What the ways of one start of the command share."""
        return self.options, tuple(sorted(self.environment.items()))


# ---------------------------------------------------------------------------------------- the same voxels


def _copy(path: Path, _scan: Volume, _mask: Mask, image: Any) -> None:
    nib.save(image, path)


def _header(
    sform: int = 1, qform: int = 1, order: str = "<", version: int = 1, dtype: type | None = None
) -> Callable[[Path, Volume, Mask, Any], None]:
    """Writes the same voxels under a header with these codes, in this byte order, version and voxel type."""

    def write(path: Path, _scan: Volume, _mask: Mask, image: Any) -> None:
        data = np.asanyarray(image.dataobj)
        kind: Any = (nib.Nifti1Image, nib.Nifti2Image)[version - 1]
        header = kind.header_class(endianness=order)
        written = kind(data.astype(dtype or data.dtype), image.affine, header)
        written.set_sform(image.affine, sform)
        written.set_qform(image.affine, qform)
        nib.save(written, path)

    return write


def _turned(
    *orientation: tuple[int, int],
) -> tuple[Callable[..., None], Callable[[Labels], Labels]]:
    """Writes the voxels with their axes in another order or direction; and turns a map back."""
    ornt = np.array(orientation)

    def write(path: Path, _scan: Volume, _mask: Mask, image: Any) -> None:
        nib.save(image.as_reoriented(ornt), path)

    def back(labels: Labels) -> Labels:
        axes = np.argsort(ornt[:, 0])
        inverse = np.stack([axes, ornt[axes, 1]], 1)
        turned: Labels = nib.orientations.apply_orientation(labels, inverse)
        return turned

    return write, back


SAME: dict[str, Way] = {
    "a second time": Way(_copy),
    "two threads of PyTorch instead of one": Way(_copy, options=("--threads", "2")),
    "a processor without AVX-512": Way(_copy, environment=AVX2),
    "`--exact` instead of blocks": Way(_copy, options=("--threads", "1", "--exact")),
    "not packed": Way(_copy, packed=False),
    "other codes (sform 4, qform 2)": Way(_header(sform=4, qform=2)),
    "the sform alone": Way(_header(qform=0)),
    "the qform alone": Way(_header(sform=0)),
    "big-endian": Way(_header(order=">")),
    "NIfTI-2": Way(_header(version=2)),
    "voxels of 32-bit floating point": Way(_header(dtype=np.float32)),
    "the first axis reversed": Way(*_turned((0, -1), (1, 1), (2, 1))),
    "all axes reversed": Way(*_turned((0, -1), (1, -1), (2, -1))),
    "the axes in another order": Way(*_turned((2, 1), (0, 1), (1, -1))),
}


# ---------------------------------------------------------------------------------------- another picture


def _degraded(change: Callable[[Volume, Mask], Degraded]) -> Way:
    def write(path: Path, scan: Volume, mask: Mask, _image: Any) -> None:
        spoilt = change(scan, mask).scan
        nib.save(nib.Nifti1Image(spoilt.data, spoilt.geometry.affine), path)

    return Way(write)


def _leaning(degrees: float) -> Way:
    """The same voxels under an affine that is turned: as if the head had lain otherwise in the scanner."""

    def write(path: Path, _scan: Volume, mask: Mask, image: Any) -> None:
        middle = image.affine[:3, :3] @ np.argwhere(mask).mean(0) + image.affine[:3, 3]
        affine = turn(degrees, middle) @ image.affine
        nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj), affine), path)

    return Way(write)


CLOSE: dict[str, Way] = {
    "turned by 5°": _degraded(rotated(5)),
    "turned by 10°": _degraded(rotated(10)),
    "turned by 10° in the header": _leaning(10),
    "voxels of 0.9 mm": _degraded(resampled(0.9)),
    "voxels of 1.2 mm": _degraded(resampled(1.2)),
    "slices of 3 mm": _degraded(slices(3)),
    "noise of 3 %": _degraded(noisy(0.03)),
    "noise of 5 %": _degraded(noisy(0.05)),
    # Which part of a turned head's change is the interpolation's: see docs/validity.md.
    "turned by 10°, cubic splines": _degraded(rotated(10, order=3)),
    "turned by 10° and back": _degraded(there_and_back(10)),
}
WAYS = {ORIGINAL: Way(_copy), **SAME, **CLOSE}


# ---------------------------------------------------------------------------------------- runs


def run(image: Image, mode: str, names: Sequence[str], work: Path) -> None:
    """Make the maps of a scan in these ways below ``work``; what lies there is not made again."""
    wanted = [name for name in names if not map_of(image, mode, name, work).exists()]
    starts: dict[Any, list[str]] = {}
    for name in wanted:
        second = name == "a second time"  # a start of its own
        starts.setdefault((WAYS[name].start, second), []).append(name)
    for group in starts.values():
        _start(image, mode, group, work)


def _start(image: Image, mode: str, names: Sequence[str], work: Path) -> None:
    scan = read_volume(image.path)
    mask = read_mask(image.mask, scan) if image.mask else (scan.data > 0).astype(np.uint8)
    files = []
    for name in names:
        file = work / f"{_key(image, mode, name)}{'.nii.gz' if WAYS[name].packed else '.nii'}"
        file.parent.mkdir(parents=True, exist_ok=True)
        WAYS[name].write(file, scan, mask, nib.load(image.path))
        files.append(file)
    way = WAYS[names[0]]
    order = [sys.executable, "-m", "parcela_cli.app", "predict", *map(str, files)]
    order += [*MODES[mode], *way.options, "-o", str(files[0].parent)]
    subprocess.run(order, check=True, env=os.environ | way.environment, capture_output=True)
    for file in files:
        file.unlink()


def _key(image: Image, mode: str, name: str) -> str:
    number = list(WAYS).index(name)
    return f"{image.id}/{mode}/{number:02}"


def map_of(image: Image, mode: str, name: str, work: Path) -> Path:
    """Where the map of a scan in one way lies."""
    return work / f"{_key(image, mode, name)}_dseg.nii.gz"


# ---------------------------------------------------------------------------------------- results


def row(image: Image, mode: str, name: str, work: Path) -> Row | None:
    """One map beside that of the scan as it came; None where one of them has not been made."""
    files = [map_of(image, mode, each, work) for each in (ORIGINAL, name)]
    if not all(file.exists() for file in files):
        return None
    (sound, affine), (other, other_affine) = (_read(file) for file in files)
    before, after = region_mm3(sound, affine), region_mm3(other, other_affine)
    manifest = json.loads((work / f"{_key(image, mode, name)}_manifest.json").read_text())
    measured: Row = {"scan": image.id, "mode": mode, "way": name}
    machine, _, _threads = hardware().rpartition(", ")  # each way has its own number of threads
    measured |= {"weights": manifest["weights"], "measured_on": machine}
    measured["mm3"] = [before.tolist(), after.tolist()]
    if name in SAME:
        measured["voxels"] = int(np.count_nonzero(WAYS[name].back(other) != sound))
        measured["labelled"] = int(np.count_nonzero(sound))
        first, second = (hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
        measured["bytes"] = first == second
    return measured


def merged(earlier: Sequence[Row], latest: Sequence[Row]) -> list[Row]:
    """The latest rows, and those of before that were not measured again."""

    def key(row: Row) -> tuple[str, str, str]:
        return row["scan"], row["mode"], row["way"]

    again = {key(row) for row in latest}
    return [*latest, *(row for row in earlier if key(row) not in again)]


def _read(file: Path) -> tuple[Labels, NDArray[np.float64]]:
    image: Any = nib.load(file)
    return np.asarray(image.dataobj, np.uint8), np.asarray(image.affine)


def same_table(rows: Sequence[Row], mode: str) -> Table:
    """Of the ways that leave the voxels alone: how many maps are the same, and how far the others are from it."""
    lines = []
    for name in SAME:
        chosen = [row for row in rows if (row["way"], row["mode"]) == (name, mode)]
        if chosen:
            alike = sum(row["voxels"] == 0 for row in chosen)
            most = max(row["voxels"] / row["labelled"] for row in chosen)
            change = max(float(np.max(changes_percent(row))) for row in chosen)
            exact = sum(row["bytes"] for row in chosen)
            lines.append(
                (name, f"{alike} of {len(chosen)}", f"{exact}", f"{most:.4%}", f"{change:.2f} %")
            )
    return Table(
        *("1", f"The same voxels ({mode})"),
        (
            "Way",
            "Same labels",
            "Same bytes",
            "Most voxels that differ",
            "Most that a volume differs",
        ),
        tuple(lines),
        "Voxels as a share of the labelled ones. The map of a scan whose axes were turned is turned back first. "
        + _made_by(rows, mode),
        missing=MISSING,
    )


def close_table(rows: Sequence[Row], mode: str) -> Table:
    """Of the ways that change the picture: how far the volumes move."""
    lines = []
    for name in CLOSE:
        chosen = [row for row in rows if (row["way"], row["mode"]) == (name, mode)]
        if chosen:
            moved = np.concatenate([changes_percent(row) for row in chosen])
            large = np.concatenate([changes_percent(row, LARGE_MM3) for row in chosen])
            whole = np.median([total_change_percent(row) for row in chosen])
            median, high = np.percentile(moved, [50, 95])
            met = "yes" if median <= GOAL_MEDIAN and high <= GOAL_95TH else "no"
            signed = f"{whole:+.1f} %".replace("-", "−")
            cells = (f"{median:.1f} %", f"{high:.1f} %", f"{np.percentile(large, 95):.1f} %")
            lines.append((name, str(len(chosen)), *cells, signed, met))
    columns = ("Way", "Scans", "Median", "95th", "95th, over 5 ml", "All regions together")
    return Table(
        *("2", f"Another picture of the same head ({mode})"),
        (*columns, "Within 3 % and 10 %"),
        tuple(lines),
        "How far the volume of a region differs from that of the scan as it came, in % of it, over all regions of all "
        "scans: the median and the 95th percentile; the 95th percentile of the regions over 5 ml; and the median "
        "difference of the volume of all regions together, with its sign. " + _made_by(rows, mode),
        missing=MISSING,
    )


def _made_by(rows: Sequence[Row], mode: str) -> str:
    """The weights and the machines of the rows."""
    some = [row for row in rows if row["mode"] == mode]
    weights = {f"{name} {sha[:12]}" for row in some for name, sha in row["weights"].items()}
    machines = {row["measured_on"] for row in some}
    return f"Weights: {', '.join(sorted(weights))}. Measured on: {'; '.join(sorted(machines))}."


def page_table(rows: Sequence[Row]) -> str:
    """Table 2 for the documentation, each network behind deepbet: what another picture of the same head changes."""
    head = (
        *("", "by", "scans", "median", "95th percentile", "over 5 ml"),
        *("all regions", "within the aim"),
    )
    tables = {mode: {line[0]: line for line in close_table(rows, mode).rows} for mode in FAST}
    lines = [head, ("---",) * len(head)]
    lines += [
        (name, mode, *tables[mode][name][1:])
        for name in CLOSE
        for mode in FAST
        if name in tables[mode]
    ]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def write_page(rows: Sequence[Row]) -> None:
    """Put that table into its place in the documentation."""
    write_part(PAGE, BEGIN, END, page_table(rows))


def page_table_as_written() -> str:
    """The table that stands there."""
    return read_part(PAGE, BEGIN, END)


def changes_percent(row: Row, least_mm3: float = 0.0) -> NDArray[np.float64]:
    """By how much each region's volume differs, in % of it; of the regions that are larger than ``least_mm3``."""
    before, after = np.array(row["mm3"])
    large = before > least_mm3
    change: NDArray[np.float64] = 100 * abs(after - before)[large] / before[large]
    return change


def total_change_percent(row: Row) -> float:
    """By how much the volume of all regions together differs, in % of it."""
    before, after = np.array(row["mm3"]).sum(1)
    return float(100 * (after - before) / before)
