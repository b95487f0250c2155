"""A DICOM series as NIfTI, and its label map as DICOM: by a child process, so that nothing of it stays anywhere."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from parcela.dicom.archive import UNNAMED, is_dicom, packed, sha256_of_archive
from parcela.errors import BadScan, Unavailable
from parcela.files import atomic_file
from parcela.imaging.volume import Volume, read_open, read_volume, reading_file
from parcela.processes.child import Limits
from parcela.processes.isolation import run_isolated
from parcela.settings import Settings, settings

NATIVE = "parcela.dicom.native_tasks"
CONVERTER = "dcm2niix"


def read_scan(path: str | Path) -> Volume:
    """Read and check one scan: a NIfTI or FreeSurfer file, or a DICOM series (a folder, or a zip of one).

    A series has the SHA-256 of its zip, or of the zip that its files would make.

    Raises:
        BadScan: as `read_volume`; or the series is not one MR volume. LimitExceeded: its conversion took too long, or
            too much memory. Unavailable: the extra `dicom` is missing.
    """
    path = Path(path)
    if not is_dicom(path):
        return read_volume(path)
    with reading_file(path), packing(path) as archive:
        sha256 = sha256_of_archive(archive)
        with converted(archive, path) as nifti:
            return replace(read_open(path, nifti), sha256=sha256, software=converter())


@contextmanager
def packing(path: Path) -> Iterator[IO[bytes]]:
    """A series as one zip, standing at its first byte. Raises as `read_scan`; the message names the path."""
    limits = settings()
    with naming(path), packed(path, limits.dicom_files, limits.max_bytes) as archive:
        yield archive


@contextmanager
def converted(
    archive: IO[bytes], path: Path, values: Settings | None = None
) -> Iterator[BufferedReader[Any]]:
    """The series in a zip as NIfTI without names, in a file that no disk has a name for.

    Args:
        archive: an open file of the system's, at its first byte.
        path: what messages call it.
        values: hold the limits; this process's settings unless given.

    Raises:
        BadScan, LimitExceeded, Unavailable: as `read_scan`.
    """
    check_installed()
    limits = values or settings()
    with tempfile.TemporaryFile() as nifti:
        with naming(path):
            run_isolated(
                "dicom-conversion",
                {},
                {
                    "max_files": limits.dicom_files,
                    "max_bytes": limits.max_bytes,
                    "max_voxels": limits.max_voxels,
                },
                module=NATIVE,
                source=archive,
                result=nifti,
                limits=dicom_limits(limits),
            )
        nifti.seek(0)
        yield cast(BufferedReader, nifti)


def write_segmentation(scan: Path, label_map: Path, target: Path) -> None:
    """Write the label map of a series as a DICOM segmentation, on the series' own images.

    Args:
        scan: the series, a folder or a zip.
        label_map: as it was made of this series.
        target: the new file, which appears whole or not at all.

    Raises:
        BadScan, Unavailable: as `read_scan`. StepFailed: the map does not lie on the series' grid. OSError: the file
            cannot be written.
    """
    check_installed()
    limits, volume = settings(), read_volume(label_map)
    with reading_file(scan), packing(scan) as archive, atomic_file(target) as segmentation:
        run_isolated(
            "dicom-segmentation",
            {"labels": volume.data.astype(np.uint8), "affine": volume.geometry.affine},
            {"max_files": limits.dicom_files, "max_bytes": limits.max_bytes},
            module=NATIVE,
            source=archive,
            result=segmentation,
        )


def dicom_limits(values: Settings) -> Limits:
    """Of the time and the memory of a child that reads a series."""
    return Limits("PARCELA_DICOM", values.dicom_timeout_s, values.dicom_memory_mb)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """A block whose refusals get the name of the scan before them."""
    try:
        yield
    except BadScan as error:
        message = str(error).removeprefix(f"{UNNAMED}: ")
        raise BadScan(
            message if message.startswith(f"{path}: ") else f"{path}: {message}"
        ) from error


def converter() -> dict[str, str]:
    """The version of the program that converts, as a manifest tells it."""
    return {CONVERTER: version(CONVERTER)}


def check_installed() -> None:
    """Raises Unavailable: the libraries of the extra `dicom` are missing."""
    for module in (CONVERTER, "pydicom", "highdicom"):
        if find_spec(module) is None:
            raise Unavailable(
                f"a DICOM series, and {module} is not installed: pip install 'parcela[dicom]'"
            )
