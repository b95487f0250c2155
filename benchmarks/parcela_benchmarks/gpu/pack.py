"""What a bare machine lacks, in one folder: the images of prepared cohorts, and wheels."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from parcela.errors import BadRequest
from parcela.files import write_text, write_tsv
from parcela_benchmarks.gpu.volumes import SUFFIX, pack_image, unpack_image
from parcela_training.augmentation.rng import order
from parcela_training.preparation.prepared_set import (
    COLUMNS,
    RECORD,
    TABLE,
    PreparedImage,
    PreparedSet,
)

# What Parcela's training imports beyond PyTorch, NumPy, SciPy, safetensors and what PyTorch itself needs.
LIBRARIES = (
    "annotated-types", "monai", "nibabel", "packaging", "psutil", "pydantic", "pydantic-core", "pydantic-settings",
    "python-dotenv", "typing-inspection",
)  # fmt: skip
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
VALIDATION_IMAGES = 8
SEED = 24
WHEELS, VOLUMES = "wheels", "volumes"


def pack(sets: Sequence[PreparedSet], kit: Path, megabytes: float, python: str) -> int:
    """Fill ``kit`` with wheels, then validation images, then as many training images as fit; returns how many.

    Args:
        sets: one preparation of a cohort, or several with other brain masks: by turns an image is taken from each.
        kit: a folder; what it holds already is kept.
        megabytes: the most that the folder may weigh.
        python: of the bare machine, such as ``3.12``.

    Raises:
        BadRequest: not one training image fits.
    """
    fetch_wheels(kit / WHEELS, python)
    left = megabytes * 1e6 - sum(file.stat().st_size for file in (kit / WHEELS).iterdir())
    folder, rows = kit / VOLUMES, []
    folder.mkdir(parents=True, exist_ok=True)
    for row, source in _chosen(sets):
        file = folder / f"{Path(row['file']).stem}{SUFFIX}"
        if not file.exists():
            pack_image(PreparedImage.load(source), file)
        left -= file.stat().st_size
        if left < 0:
            file.unlink()
            break
        rows.append(dict(row) | {"file": file.name})
    if not any(row["split"] == "train" for row in rows):
        raise BadRequest(f"{megabytes:g} MB hold no training image: give more with --megabytes")
    _write_tables(folder, rows, sets[0])
    return len(rows)


def _chosen(sets: Sequence[PreparedSet]) -> list[tuple[dict[str, str], Path]]:
    """Rows and files: evenly spaced validation images of the first set, then the training images in random order."""
    first = sets[0]
    val = first.of("val")
    count = min(VALIDATION_IMAGES, len(val))
    spaced = [val[place * len(val) // count] for place in range(count)]
    chosen = [(dict(row), first.folder / row["file"]) for row in spaced]
    train = first.of("train")
    for turn, index in enumerate(order(len(train), SEED)):
        row = train[index]
        preparation = sets[turn % len(sets)]
        other = {each["id"]: each for each in preparation.of("train")}.get(row["id"])
        source = (other, preparation) if other else (row, first)
        chosen.append((dict(source[0]), source[1].folder / source[0]["file"]))
    return chosen


def fetch_wheels(folder: Path, python: str) -> None:
    """Download the libraries in the versions at hand, for another Python on x86-64 Linux; none twice."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {file.name.split("-")[0].replace("_", "-").lower() for file in folder.glob("*.whl")}
    wanted = [f"{name}=={version(name)}" for name in LIBRARIES if name not in names]
    if not wanted:
        return
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    command += [word for platform in PLATFORMS for word in ("--platform", platform)]
    subprocess.run([*command, "--dest", str(folder), *wanted], check=True)


def unpack(kit: Path, folder: Path) -> PreparedSet:
    """The images of a kit as a prepared cohort in ``folder``; unpacked once."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with (kit / VOLUMES / TABLE).open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    packed = [kit / VOLUMES / row["file"] for row in rows]
    for row in rows:
        row["file"] = f"images/{row['file'].removesuffix(SUFFIX)}.npz"
    with ThreadPoolExecutor() as pool:
        list(pool.map(_unpacked, packed, [folder / row["file"] for row in rows]))
    record = json.loads((kit / VOLUMES / RECORD).read_text(encoding="utf-8"))
    prepared = PreparedSet(folder, tuple(rows), record)
    prepared.write()
    return prepared


def _unpacked(packed: Path, file: Path) -> None:
    if not file.exists():
        unpack_image(packed).save(file)


def _write_tables(folder: Path, rows: list[dict[str, str]], first: PreparedSet) -> None:
    kept = {row["file"] for row in rows}
    for stale in folder.glob(f"*{SUFFIX}"):
        if stale.name not in kept:
            stale.unlink()
    rows.sort(key=lambda row: row["id"])
    write_tsv(folder / TABLE, COLUMNS, [[row[name] for name in COLUMNS] for row in rows])
    write_text(folder / RECORD, json.dumps(dict(first.record), indent=2) + "\n")
