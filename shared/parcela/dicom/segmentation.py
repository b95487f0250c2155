"""A label map as a DICOM segmentation: one binary segment for each region, on the images of the series itself.

The object: DICOM PS3.3, A.51. A region without a voxel keeps its segment and has no frame: the number of a segment is
always its region's id.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset

from parcela.dicom.segments import coding_scheme, descriptions
from parcela.dicom.series import Plane, planes_of
from parcela.errors import BadScan

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
OFF_GRID = 0.05  # voxels: more than the rounding of either header
NEEDED = (  # of a derived object's header; may be empty, and is missing from some anonymised series
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate"),
    *("StudyTime", "AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator"),
)


def segmentation_of(
    paths: Sequence[Path], labels: NDArray[np.uint8], affine: NDArray[np.float64]
) -> hd.seg.Segmentation:
    """The segmentation of one series, which refers to each of its images.

    Args:
        paths: the series' files, checked.
        labels: (X, Y, Z) ids 0 to 116.
        affine: of the map, voxel index to mm, RAS+.

    Raises:
        BadScan: the series has no frame of reference. ValueError: the map does not lie on the series' grid.
    """
    images = [pydicom.dcmread(path, stop_before_pixels=True, force=True) for path in paths]
    normal = np.cross(*planes_of(images[0])[0].orientation)
    images.sort(key=lambda image: float(planes_of(image)[0].position @ normal))
    planes = [plane for image in images for plane in planes_of(image)]
    size = (int(images[0].Rows), int(images[0].Columns))
    segmentation = hd.seg.Segmentation(
        source_images=[_complete(image) for image in images],
        pixel_array=np.stack([labels_on(plane, size, labels, affine) for plane in planes]),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions(),
        series_instance_uid=hd.UID(),
        series_number=_series_number(images[0]),
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="Parcela",
        manufacturer_model_name="Parcela",
        software_versions=version("parcela"),
        device_serial_number="0",
        content_label="AAL",
        content_description="116 regions of AAL",
        series_description="AAL regions (Parcela)",
    )
    segmentation.CodingSchemeIdentificationSequence = [coding_scheme()]
    return segmentation


def labels_on(
    plane: Plane,
    size: tuple[int, int],
    labels: NDArray[np.uint8],
    affine: NDArray[np.float64],
) -> NDArray[np.uint8]:
    """The map's labels at each pixel of an image, (rows, columns).

    Raises:
        ValueError: a pixel's centre is no voxel's.
    """
    row_mm, column_mm = plane.spacing_mm
    across, down = plane.orientation
    pixel = np.zeros((4, 3))  # (column, row, 1) to mm, LPS+
    pixel[:3] = np.column_stack([across * column_mm, down * row_mm, plane.position])
    pixel[3, 2] = 1
    row, column = np.indices(size)
    places = (
        np.linalg.inv(affine)
        @ LPS_TO_RAS
        @ pixel
        @ [column.ravel(), row.ravel(), row.ravel() * 0 + 1]
    )
    index = np.rint(places[:3]).astype(int)
    outside = (index < 0) | (index >= np.array(labels.shape)[:, None])
    if np.abs(places[:3] - index).max() > OFF_GRID or outside.any():
        raise ValueError("the map does not lie on the series' own grid: it is another scan's")
    on_plane: NDArray[np.uint8] = labels[tuple(index)].reshape(size)
    return on_plane


def _complete(image: FileDataset) -> Dataset:
    """The image's header with the fields that a derived object must have, if empty."""
    if not image.get("FrameOfReferenceUID"):
        raise BadScan(
            "the series has no frame of reference, so that no segmentation can refer to it: take the original series"
        )
    for name in NEEDED:
        if name not in image:
            setattr(image, name, None)
    return image


def _series_number(image: Dataset) -> int:
    """A number that a person recognises beside that of the series."""
    return int(image.get("SeriesNumber") or 0) % 1000 + 9000
