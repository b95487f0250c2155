"""Files damaged at random, and what the reader makes of each: ``PYTHONPATH=tests python -m bad_inputs.mutants 20000``.

Every file goes through the reader in a child process whose memory and seconds are limited. What the reader accepts is
compared with what nibabel reads of the same bytes.
"""

from __future__ import annotations

import gzip
import json
import resource
import signal
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from nifti_files import image, nifti
from parcela.atlas.aal import COLIN27_BRAIN
from parcela.errors import BadScan
from parcela.imaging.volume import Volume, read_volume

BATCH = 500  # files to a child
MOST_BYTES = 1536 * 1024**2  # of address space, of which the libraries take the most
MOST_S = 5  # of a processor, for one file
ABSURD = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-30, 1e30, 1e4, 1.0, 2.0, 3.0, 7.0, 32767.0)

Random = np.random.Generator
Mutation = Callable[[bytearray, Random], bytearray]


# ---------------------------------------------------------------------------------------- what is damaged


@cache
def originals() -> tuple[tuple[str, bytes], ...]:
    """Sound files: Colin27's brain with 9 mm voxels under its own header, and all forms that the reader takes."""
    loaded: Any = nib.load(COLIN27_BRAIN)
    data = np.asarray(loaded.dataobj)[::9, ::9, ::9]
    affine = loaded.affine @ np.diag([9.0, 9.0, 9.0, 1.0])
    brain: Any = nib.Nifti1Image(data, affine, loaded.header)
    brain.header.set_xyzt_units("mm")
    content: bytes = brain.to_bytes()
    small = image((10, 11, 12))
    mgh: bytes = nib.MGHImage(small, affine).to_bytes()
    nifti2: Any = nib.Nifti2Image
    qform = nifti2(small.astype("float32"), None)
    qform.set_qform(affine, 1)
    return (
        ("scan.nii", content),
        ("scan.nii.gz", gzip.compress(content, mtime=0)),
        ("scan.nii", nifti(small, order=">", affine=affine)),
        ("scan.nii", nifti(small, version=2, affine=affine)),
        ("scan.nii.gz", gzip.compress(qform.to_bytes(), mtime=0)),
        ("scan.nii", nifti(small, scl_slope=0.5, scl_inter=3.0)),
        ("scan.mgh", mgh),
        ("scan.mgz", gzip.compress(mgh, mtime=0)),
    )


def _header_bytes(content: bytearray, random: Random) -> bytearray:
    for place in random.integers(0, min(352, len(content)), random.integers(1, 9)):
        content[place] = random.integers(256)
    return content


def _absurd_field(content: bytearray, random: Random) -> bytearray:
    kind: Any = nib.Nifti2Header if content[:2] == b"\x1c\x02" else nib.Nifti1Header
    size = kind.sizeof_hdr
    block = kind(bytes(content[:size]), check=False)
    for _ in range(random.integers(1, 4)):
        name = random.choice([name for name in block.keys() if name != "magic"])  # noqa: SIM118
        field, value = block.structarr[name], ABSURD[random.integers(len(ABSURD))]
        if field.dtype.kind not in "iuf":
            continue
        with np.errstate(all="ignore"):
            cast = np.float64(value).astype(field.dtype)
        if field.shape:
            field[random.integers(field.shape[0])] = cast
        else:
            block[name] = cast
    return bytearray(block.binaryblock) + content[size:]


def _cut(content: bytearray, random: Random) -> bytearray:
    return content[: random.integers(len(content))]


def _any_bytes(content: bytearray, random: Random) -> bytearray:
    for place in random.integers(0, len(content), random.integers(1, 20)):
        content[place] ^= 1 << random.integers(8)
    return content


def _hole(content: bytearray, random: Random) -> bytearray:
    start, end = sorted(random.integers(0, len(content), 2))
    del content[start:end]
    return content


def _doubled(content: bytearray, random: Random) -> bytearray:
    start, end = sorted(random.integers(0, len(content), 2))
    return content[:end] + content[start:end] + content[end:]


def _another_tail(content: bytearray, random: Random) -> bytearray:
    _, other = originals()[random.integers(len(originals()))]
    place = random.integers(len(content))
    return content[:place] + other[place:]


UNPACKED: tuple[Mutation, ...] = (_header_bytes, _absurd_field)  # a gzip stream has no such header
MUTATIONS: tuple[Mutation, ...] = (
    *(_header_bytes, _absurd_field, _absurd_field, _cut),
    *(_any_bytes, _hole, _doubled, _another_tail),
)


def mutant(seed: int) -> tuple[str, bytes]:
    """The name and the bytes of one damaged file; half of the packed ones are damaged before they are packed."""
    random = np.random.default_rng(seed)
    name, content = originals()[random.integers(len(originals()))]
    mutation = MUTATIONS[random.integers(len(MUTATIONS))]
    packed = name.endswith("z")
    inside = packed and (mutation in UNPACKED or random.random() < 0.5)
    if not inside:
        return name, bytes(mutation(bytearray(content), random))
    changed = mutation(bytearray(gzip.decompress(content)), random)
    return name, gzip.compress(bytes(changed), 1, mtime=0)


# ---------------------------------------------------------------------------------------- what is made of it


def outcome(name: str, content: bytes, folder: Path) -> str:
    """``refused``, ``accepted``, or what went wrong."""
    path = folder / name
    path.write_bytes(content)
    try:
        volume = read_volume(path)
    except BadScan as refusal:
        reason = str(refusal)
        sound = reason.startswith(f"{path}: ") and "\n" not in reason
        return "refused" if sound else f"an odd reason: {reason}"
    except MemoryError:
        return "memory"
    except Exception as error:  # noqa: BLE001 - a crash is what is looked for
        return f"crash: {type(error).__name__}: {error}"
    return _compared(volume, name, content)


def _compared(volume: Volume, name: str, content: bytes) -> str:
    """An accepted volume beside nibabel's: the same shape, affine (in mm) and intensities."""
    unpacked = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = _by_nibabel(unpacked)
            data = np.asarray(found.dataobj, np.float64).reshape(found.shape[:3])
        except Exception as error:  # noqa: BLE001 - whatever nibabel cannot read
            return f"nibabel refuses: {type(error).__name__}: {error}"
        affines = _affines_mm(found)
        data = data.astype(np.float32)
    if volume.data.shape != data.shape or volume.geometry.shape != data.shape:
        return f"another shape: {volume.data.shape} for {data.shape}"
    read = volume.geometry.affine
    if not any(np.allclose(read, affine, rtol=1e-6, atol=1e-6) for affine in affines):
        return f"another affine: {read.tolist()} for {affines[0].tolist()}"
    if not np.array_equal(volume.data, np.where(np.isfinite(data), data, 0)):
        return "other intensities"
    return "accepted"


def _by_nibabel(content: bytes) -> Any:
    if content[:4] == bytes((0, 0, 0, 1)):
        return nib.MGHImage.from_bytes(content)
    kind: Any = nib.Nifti1Image if content[344:347] == b"n+1" else nib.Nifti2Image
    header: Any = kind.header_class.from_fileobj(BytesIO(content), check=False)
    if (
        int(header["vox_offset"]) == 0
    ):  # niftilib: right behind the header; nibabel would read the header as voxels
        header["vox_offset"] = header.single_vox_offset
        content = bytes(header.binaryblock) + content[header.sizeof_hdr :]
    return kind.from_bytes(content)


def _affines_mm(found: Any) -> list[NDArray[np.float64]]:
    """nibabel's affine; beside a void sform the qform's. Where the header is in m or µm, also in mm (docs/scans.md)."""
    affine = np.asarray(found.affine)
    if isinstance(found, nib.MGHImage):
        return [affine]
    header: Any = found.header
    if int(header["sform_code"]) > 0 and int(header["qform_code"]) > 0 and _void(affine):
        affine = header.get_qform()
    mm = {1: 1000.0, 3: 0.001}.get(int(header["xyzt_units"]) & 7, 1.0)
    return [affine, np.diag([mm, mm, mm, 1.0]) @ affine]


def _void(affine: NDArray[np.float64]) -> bool:
    return not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3


# ---------------------------------------------------------------------------------------- runs


class Hang(Exception):
    """One file took more than its seconds."""


def _hung(*_: object) -> None:
    raise Hang


def batch(first: int, count: int) -> dict[str, list[int]]:
    """The seeds by outcome; called in a process of its own, which it limits."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    signal.signal(signal.SIGPROF, _hung)
    seeds: dict[str, list[int]] = {}
    with TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            signal.setitimer(signal.ITIMER_PROF, MOST_S)
            try:
                result = outcome(*mutant(seed), Path(folder))
            except Hang:
                result = "hang"
            signal.setitimer(signal.ITIMER_PROF, 0)
            seeds.setdefault(result, []).append(seed)
    return seeds


def run(count: int, first: int = 0) -> tuple[Counter[str], dict[str, list[int]]]:
    """How many files had each outcome, and the seeds of all that were neither refused nor rightly accepted."""
    counts: Counter[str] = Counter()
    faults: dict[str, list[int]] = {}
    for start in range(first, first + count, BATCH):
        size = min(BATCH, first + count - start)
        order = [sys.executable, "-m", "bad_inputs.mutants", "--batch", str(start), str(size)]
        done = subprocess.run(order, capture_output=True, text=True, check=False)
        answer = {f"the child died ({done.returncode})": list(range(start, start + size))}
        if done.returncode == 0:
            answer = json.loads(done.stdout)
        for result, seeds in answer.items():
            counts[result] += len(seeds)
            if result not in ("refused", "accepted"):
                faults.setdefault(result, []).extend(seeds)
    return counts, faults


def main() -> None:
    if sys.argv[1] == "--batch":
        print(json.dumps(batch(int(sys.argv[2]), int(sys.argv[3]))))
        return
    counts, faults = run(int(sys.argv[1]))
    print(json.dumps({"files": counts.total(), **counts, "seeds": faults}, indent=1))


if __name__ == "__main__":
    main()
