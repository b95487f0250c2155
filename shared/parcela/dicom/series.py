"""The images of one series: what each says of itself and where it lies, and whether they make up one scan.

Which values are read: DICOM PS3.3, C.7.6 (image, plane and pixel modules) and C.7.6.16 (multi-frame functional groups).
No message repeats a value that may name a person.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import UID

from parcela.dicom.archive import NO_IMAGE
from parcela.errors import BadScan

TAGS = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID"),
    *("FrameOfReferenceUID", "Modality", "SeriesNumber", "NumberOfFrames", "Rows", "Columns"),
    *("SamplesPerPixel", "PhotometricInterpretation", "PixelSpacing", "ImageOrientationPatient"),
    *("ImagePositionPatient", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
ONE_SCAN = {  # what all images of one scan share, and what is said where they do not
    "PatientID": "of several patients",
    "StudyInstanceUID": "of several studies",
    "FrameOfReferenceUID": "of several positions of the head (frames of reference)",
}
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
DIRECTORY = "1.2.840.10008.1.3.10"
# What dcm2niix unpacks: plain, RLE, JPEG baseline and lossless, JPEG-LS, JPEG 2000.
SYNTAXES = {
    *("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5"),
    *(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91)),
}
FEWEST_IMAGES = 3
SAME_MM = 1e-3  # two images that are not farther apart lie at the same place
UNEVEN = 0.1  # of the usual distance: no scanner's rounding
DAMAGED = "a DICOM file in it is damaged"
MALFORMED = (  # what pydicom raises of a header, where a value is first asked for
    *(ArithmeticError, AttributeError, BytesLengthException, EOFError, InvalidDicomError),
    *(LookupError, NotImplementedError, OSError, RecursionError, TypeError, ValueError),
    struct.error,
)


@dataclass(frozen=True, eq=False)
class Instance:
    """One DICOM file of an image, by its header."""

    path: Path
    header: Dataset

    def text(self, name: str) -> str:
        """A value as text; empty where there is none."""
        return str(self.header.get(name) or "")


@dataclass(frozen=True, eq=False)
class Plane:
    """Where one image lies: mm, LPS+. ``orientation`` holds the directions of a row and of a column."""

    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    spacing_mm: tuple[float, float]


@contextmanager
def explaining_damage() -> Iterator[None]:
    """A block that reads headers. Raises BadScan: one holds what pydicom cannot read, which no message repeats."""
    try:
        yield
    except MALFORMED as error:
        raise BadScan(f"{DAMAGED}: export the series again") from error


@explaining_damage()
def read_instances(paths: Iterable[Path]) -> list[Instance]:
    """The images among DICOM files, their headers read up to the pixels; reports and directories are left out.

    Raises:
        BadScan: a file is damaged, or its pixels are packed in a way that dcm2niix does not know.
    """
    instances = []
    for path in paths:
        header = _read(path)
        if _is_image(header):
            instances.append(Instance(path, header))
    return instances


def _is_image(header: FileDataset) -> bool:
    """Whether there are pixels behind the header. Raises BadScan: there should be."""
    kind = header.file_meta.get("MediaStorageSOPClassUID") or header.get("SOPClassUID")
    if "Rows" in header:
        return bool(kind != DIRECTORY)
    if not kind or "Image Storage" in UID(kind).name:
        raise BadScan(f"{DAMAGED} (it ends in its header): copy or export the series again")
    return False


def _read(path: Path) -> FileDataset:
    _check_syntax(_syntax(path))
    return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS), force=True)


def _syntax(path: Path) -> str:
    """How the file says that it is packed: asked first, since reading one that is deflated would unpack all of it."""
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
    except InvalidDicomError:  # a bare data set, as there were before files had a format
        return ""
    return str(meta.get("TransferSyntaxUID", ""))


def _check_syntax(syntax: str) -> None:
    if syntax and syntax not in SYNTAXES:
        name = UID(syntax).name
        way = "in an unknown way" if name == syntax else f"as {name}"
        raise BadScan(
            f"its pixels are packed {way}, which dcm2niix does not read: unpack them first (gdcmconv --raw, or dcmconv)"
        )


@explaining_damage()
def check_series(instances: Sequence[Instance]) -> int:
    """Refuse images that are not one MR series of one volume; returns how many slices there are.

    Raises:
        BadScan: with what is mixed, missing, or of another kind, and what to give instead.
    """
    if not instances:
        raise BadScan(NO_IMAGE)
    _check_one_series(instances)
    for instance in instances:
        _check_kind(instance)
    _check_one_scan(instances)
    try:
        planes = [plane for instance in instances for plane in planes_of(instance.header)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BadScan(
            "its images do not say where they lie (position, orientation, pixel spacing): export the original "
            "series from the scanner or the archive"
        ) from error
    _check_planes(planes)
    return len(planes)


def planes_of(header: Dataset) -> list[Plane]:
    """Where the frames of one image lie.

    Raises:
        AttributeError, IndexError, TypeError, ValueError: the header does not say.
    """
    if "PerFrameFunctionalGroupsSequence" not in header:
        return [_plane(header.ImagePositionPatient, header.ImageOrientationPatient, header)]
    shared = header.SharedFunctionalGroupsSequence[0]
    return [
        _plane(
            frame.PlanePositionSequence[0].ImagePositionPatient,
            _group("PlaneOrientationSequence", frame, shared).ImageOrientationPatient,
            _group("PixelMeasuresSequence", frame, shared),
        )
        for frame in header.PerFrameFunctionalGroupsSequence
    ]


def _group(name: str, frame: Dataset, shared: Dataset) -> Dataset:
    item: Dataset = (frame if name in frame else shared)[name].value[0]
    return item


def _plane(position: Any, orientation: Any, measures: Dataset) -> Plane:
    place, directions = np.array(position, np.float64), np.array(orientation, np.float64)
    row_mm, column_mm = (float(spacing) for spacing in measures.PixelSpacing)
    told = np.array([*place, *directions, row_mm, column_mm])
    lengths = np.linalg.norm(directions.reshape(2, 3), axis=1)
    if told.size != 11 or not np.isfinite(told).all() or not np.allclose(lengths, 1, atol=0.01):
        raise ValueError("no place")
    return Plane(place, directions.reshape(2, 3), (row_mm, column_mm))


def _check_one_series(instances: Sequence[Instance]) -> None:
    series = Counter(instance.text("SeriesInstanceUID") for instance in instances)
    if len(series) == 1:
        return
    first = {instance.text("SeriesInstanceUID"): instance for instance in reversed(instances)}
    listed = ", ".join(
        f"{count} {first[uid].text('Modality')[:2]} images of number {first[uid].text('SeriesNumber')[:6] or '?'}"
        for uid, count in series.most_common(5)
    )
    raise BadScan(f"holds {len(series)} series ({listed}): give the T1-weighted one alone")


def _check_kind(instance: Instance) -> None:
    if instance.text("SOPClassUID").startswith(SECONDARY_CAPTURE):
        raise BadScan("its images are screenshots (secondary capture): give the original series")
    photometric = instance.text("PhotometricInterpretation")
    if instance.header.get("SamplesPerPixel", 1) != 1 or photometric != "MONOCHROME2":
        raise BadScan(
            "its images are in colour or inverted (not MONOCHROME2): give the original MR series"
        )
    if instance.text("Modality") != "MR":
        raise BadScan(
            f"its modality is {instance.text('Modality')[:2] or 'unknown'}, not MR: give a T1-weighted MR series"
        )


def _check_one_scan(instances: Sequence[Instance]) -> None:
    for name, fault in ONE_SCAN.items():
        if len({instance.text(name) for instance in instances}) > 1:
            raise BadScan(f"its images are {fault}, though of one series: export the series again")
    if len({instance.text("SOPInstanceUID") for instance in instances}) < len(instances):
        raise BadScan("it holds the same image twice: remove the copies")
    if len({(instance.text("Rows"), instance.text("Columns")) for instance in instances}) > 1:
        raise BadScan("its images differ in size: give one series of one volume")


def _check_planes(planes: Sequence[Plane]) -> None:
    """Refuse what is no stack of parallel, evenly spaced images."""
    if len(planes) < FEWEST_IMAGES:
        raise BadScan(
            f"holds {len(planes)} image{'s' * (len(planes) != 1)}: give all images of the series (the whole folder)"
        )
    for plane in planes:
        if not np.allclose(plane.orientation, planes[0].orientation, atol=1e-3):
            raise BadScan(
                "its images lie in several orientations (a localizer?): give the T1-weighted volume"
            )
        if not np.allclose(plane.spacing_mm, planes[0].spacing_mm, rtol=1e-3):
            raise BadScan("its images differ in pixel size: give one series of one volume")
    normal = np.cross(*planes[0].orientation)
    gaps_mm = np.diff(np.sort([plane.position @ normal for plane in planes]))
    usual_mm = float(np.median(gaps_mm))
    if gaps_mm.min() < SAME_MM:
        raise BadScan(
            "several of its images lie at the same place (echoes, time points, or phase beside magnitude): "
            "split the series, and give one volume"
        )
    if gaps_mm.max() > 1.5 * usual_mm:
        missing = int((np.round(gaps_mm / usual_mm) - 1).sum())
        raise BadScan(
            f"{missing} of its images are missing (gaps of up to {gaps_mm.max():.1f} mm where {usual_mm:.1f} mm are "
            "usual): export the whole series"
        )
    if np.abs(gaps_mm - usual_mm).max() > UNEVEN * usual_mm:
        raise BadScan(
            f"its images are {gaps_mm.min():.2f} to {gaps_mm.max():.2f} mm apart: give a series of even spacing"
        )
