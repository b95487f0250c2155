"""How the cost of `parcela predict --fast` grows, by the U-Net: with a scan's voxels, and with the scans of a command.

    python benchmarks/growth.py

Colin27's head on grids of 2 mm to 0.7 mm, and three copies of it in one command: processor seconds and peak
memory of the whole process, one thread. Written to benchmarks/results/growth.json and, as two tables, to
docs/performance.md.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from parcela.atlas.aal import COLIN27_HEAD
from parcela.files import write_text
from parcela.imaging.volume import read_volume
from parcela_benchmarks.pairs import ONE_THREAD
from parcela_benchmarks.performance_page import put_between

RESULT = Path(__file__).parent / "results" / "growth.json"
SPACINGS_MM = (2.0, 1.0, 0.7)
SCANS = (1, 3)
BEGIN, END = "<!-- measured: benchmarks/growth.py -->\n", "<!-- until here: growth -->\n"


def head(spacing_mm: float, path: Path) -> list[int]:
    """Colin27's head, resampled linearly, into a file; its shape."""
    scan = read_volume(COLIN27_HEAD)
    voxels = ndimage.zoom(scan.data, 1 / spacing_mm, order=1)
    affine = scan.geometry.affine @ np.diag([spacing_mm] * 3 + [1])
    nib.Nifti1Image(voxels, affine).to_filename(path)
    return list(voxels.shape)


def predicted(scans: list[Path], out: Path) -> tuple[float, int]:
    """Processor seconds of one command, and its peak memory in MB."""
    command = [sys.executable, "-m", "parcela_cli.app", "predict", *map(str, scans)]
    child = os.spawnve(
        os.P_NOWAIT,
        sys.executable,
        [*command, "--fast", "--model", "unet", "-o", str(out)],
        {**os.environ, **ONE_THREAD},
    )
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"parcela predict ended with {os.waitstatus_to_exitcode(status)}")
    return round(usage.ru_utime + usage.ru_stime, 2), round(usage.ru_maxrss / 1024)


def measure(folder: Path) -> dict[str, list[list[object]]]:
    """Rows of both tables."""
    by_voxels: list[list[object]] = []
    for spacing_mm in SPACINGS_MM:
        shape = head(spacing_mm, folder / "head.nii.gz")
        seconds, peak_mb = predicted([folder / "head.nii.gz"], folder / f"{spacing_mm}")
        by_voxels.append([spacing_mm, shape, seconds, peak_mb])
        print(by_voxels[-1], flush=True)
    by_scans: list[list[object]] = []
    for count in SCANS:
        scans = [folder / f"scan{number}.nii.gz" for number in range(count)]
        for scan in scans:
            head(1.0, scan)
        seconds, peak_mb = predicted(scans, folder / f"of{count}")
        by_scans.append([count, seconds, round(seconds / count, 2), peak_mb])
        print(by_scans[-1], flush=True)
    return {"by_voxels": by_voxels, "by_scans": by_scans}


def tables(rows: dict[str, list[list[object]]]) -> str:
    """Both, as Markdown."""
    text = "| voxels of | grid | million voxels | processor seconds | MB at most |\n|---|---|---|---|---|\n"
    for spacing_mm, shape, seconds, peak_mb in rows["by_voxels"]:
        assert isinstance(shape, list)
        grid, millions = "×".join(map(str, shape)), np.prod(shape) / 1e6
        text += f"| {spacing_mm:g} mm | {grid} | {millions:.1f} | {seconds:g} | {peak_mb:,} |\n"
    text += "\n| scans in one command | processor seconds | for each | MB at most |\n|---|---|---|---|\n"
    for count, seconds, each, peak_mb in rows["by_scans"]:
        text += f"| {count} | {seconds:g} | {each:g} | {peak_mb:,} |\n"
    return text


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder))
    write_text(RESULT, json.dumps(rows, indent=1) + "\n")
    put_between(BEGIN, END, tables(rows))


if __name__ == "__main__":
    main()
