"""What the child does with a series: dcm2niix, a C program on bytes of others, and the reading before and after it.

The zip is the standard input, the result the standard output. Temporary files lie in the child's own folder, which is
erased with it. Libraries are loaded when they are needed, in a process that is lean by then: most of what is no series
is refused before.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import dcm2niix
import numpy as np
from numpy.typing import NDArray

from parcela.dicom.archive import UNNAMED, unpack
from parcela.errors import BadScan
from parcela.processes.child import how_it_ended
from parcela.processes.isolation import Arrays, answer

# No text of the series in any file: -b n and -ba y (no JSON, nothing named in it), -c (no comment), -f (a fixed name).
# The series' own grid: -x i neither crops nor turns it. Unpacked: -z n.
OPTIONS = ("-b", "n", "-ba", "y", "-c", "", "-f", "scan", "-x", "i", "-z", "n", "-w", "1")


def convert(max_files: int, max_bytes: int, max_voxels: int) -> Arrays:
    """Turn the zip on standard input into NIfTI on standard output.

    Args:
        max_files, max_bytes: of the series.
        max_voxels: of the image.

    Raises:
        BadScan: what came is not one MR series of one volume, or dcm2niix could not convert it.
    """
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes))
    series, converted = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
    files = unpack(sys.stdin.buffer, series, max_files, max_bytes)
    from parcela.dicom.series import check_series, read_instances

    instances = read_instances(files)
    count = check_series(instances)
    wanted = {instance.path for instance in instances}
    for path in set(series.iterdir()) - wanted:
        path.unlink()
    nifti = _run_dcm2niix(series, converted)
    from parcela.imaging.reading import Reading

    with nifti.open("rb") as file:
        reading = Reading.of(UNNAMED, file, max_voxels=max_voxels, max_bytes=max_bytes)
        if reading.header["dim"][3] != count:
            raise BadScan(
                f"dcm2niix made {reading.header['dim'][3]} slices of {count} images: export the series again"
            )
        for part in reading.anonymous():
            sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()
    return {}


def _run_dcm2niix(series: Path, converted: Path) -> Path:
    """The one image that it makes. What it prints may name a person, and is not repeated."""
    done = subprocess.run(
        [dcm2niix.bin, *OPTIONS, "-o", str(converted), str(series)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    images = sorted(converted.glob("*.nii"))
    if done.returncode != 0 or not images:
        raise BadScan(
            f"dcm2niix cannot convert the series (it {how_it_ended(done.returncode)}): a file may be cut short, or its "
            "pixels damaged: copy or export it again"
        )
    if len(images) > 1:
        raise BadScan(
            f"dcm2niix makes {len(images)} images of the series: split it, and give the T1-weighted volume alone"
        )
    return images[0]


def segment(
    labels: NDArray[np.uint8], affine: NDArray[np.float64], max_files: int, max_bytes: int
) -> Arrays:
    """Write a label map as a DICOM segmentation of the series in the zip: standard input to standard output.

    Args:
        labels: (X, Y, Z) ids 0 to 116.
        affine: of the map, voxel index to mm, RAS+.
        max_files, max_bytes: of the series.

    Raises:
        BadScan: what came is not one MR series of one volume.
        ValueError: the map does not lie on the series' grid.
    """
    files = unpack(sys.stdin.buffer, Path(tempfile.mkdtemp()), max_files, max_bytes)
    from parcela.dicom.segmentation import segmentation_of  # highdicom takes a second to load
    from parcela.dicom.series import check_series, read_instances

    check_series(instances := read_instances(files))
    segmentation = segmentation_of([instance.path for instance in instances], labels, affine)
    segmentation.save_as(sys.stdout.buffer, enforce_file_format=True)
    sys.stdout.buffer.flush()
    return {}


TASKS: dict[str, Callable[..., Arrays]] = {
    "dicom-conversion": convert,
    "dicom-segmentation": segment,
}

if __name__ == "__main__":
    answer(TASKS)
