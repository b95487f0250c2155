"""DICOM series of a volume, as a scanner writes them: one MR image a slice, full of a person's names."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

NAME, PATIENT = "Doe^Jane", "PATIENT-4711"
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
Change = Callable[[FileDataset, int], None]


def oblique(degrees: float = 20.0, spacing_mm: Sequence[float] = (2.0, 2.0, 2.0)) -> Any:
    """An affine (4, 4) of axes that run left, back and up, turned about the first."""
    turn = np.deg2rad(degrees)
    axes = np.array(
        [[-1, 0, 0], [0, -np.cos(turn), -np.sin(turn)], [0, -np.sin(turn), np.cos(turn)]]
    )
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing_mm
    affine[:3, 3] = (15.0, 20.0, -12.0)
    return affine


def series(
    data: NDArray[Any],
    affine: NDArray[np.float64],
    syntax: str = ExplicitVRLittleEndian,
    change: Change | None = None,
) -> list[FileDataset]:
    """The images of a volume (columns, rows, slices) of 16-bit integers, in the order of its third axis.

    Args:
        data: non-negative; as NIfTI has it, x along a row of the image and y along a column.
        affine: voxel index to mm, RAS+.
        syntax: the transfer syntax: how pixels are packed.
        change: is called with each image and its number, before it is packed.
    """
    lps = TO_LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    axes = lps[:3, :3] / spacing
    uids = {name: generate_uid() for name in ("Study", "Series", "FrameOfReference")}
    images = []
    for number in range(data.shape[2]):
        image = _image(uids, number)
        image.ImageOrientationPatient = [f"{value:.10g}"[:16] for value in axes[:, :2].T.ravel()]
        image.ImagePositionPatient = [f"{v:.10g}"[:16] for v in lps[:3] @ [0, 0, number, 1]]
        image.PixelSpacing = [f"{spacing[1]:.10g}", f"{spacing[0]:.10g}"]
        image.SliceThickness = image.SpacingBetweenSlices = f"{spacing[2]:.10g}"
        image.Columns, image.Rows = data.shape[:2]
        image.PixelData = np.ascontiguousarray(data[:, :, number].T, "<u2").tobytes()
        if change is not None:
            change(image, number)
        if syntax != ExplicitVRLittleEndian:
            image.compress(syntax, generate_instance_uid=False)
        images.append(image)
    return images


def _image(uids: Mapping[str, str], number: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID = uids["Study"], uids["Series"]
    image.FrameOfReferenceUID = uids["FrameOfReference"]
    image.PatientName, image.PatientID, image.PatientBirthDate = NAME, PATIENT, "19700102"
    image.PatientSex, image.PatientAge, image.PatientComments = "F", "051Y", NAME
    image.ReferringPhysicianName, image.AccessionNumber = NAME, PATIENT
    image.StudyDescription = image.SeriesDescription = image.ProtocolName = f"T1 {NAME}"
    image.ImageComments, image.StudyID, image.InstitutionName = NAME, "1", f"{NAME} clinic"
    image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = "20260102"
    image.StudyTime = image.SeriesTime = image.AcquisitionTime = image.ContentTime = "101010"
    image.Modality, image.Manufacturer, image.MagneticFieldStrength = "MR", "SIEMENS", 3
    image.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    image.SeriesNumber, image.InstanceNumber, image.AcquisitionNumber = 5, number + 1, 1
    image.ScanningSequence, image.SequenceVariant, image.MRAcquisitionType = "GR", "SP", "3D"
    image.EchoTime, image.RepetitionTime, image.InversionTime, image.FlipAngle = 3, 2300, 900, 9
    image.PatientPosition, image.PositionReferenceIndicator = "HFS", ""
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    return image


def write_folder(images: Sequence[FileDataset], folder: Path) -> Path:
    """The images as files below a folder, named after the person and not in their order."""
    (folder / NAME).mkdir(parents=True)
    for number, image in enumerate(images):
        image.save_as(
            folder / NAME / f"IM{(7 * number) % 1000:03d}_{number}.dcm", enforce_file_format=True
        )
    return folder


def file_bytes(image: FileDataset) -> bytes:
    """One image as the bytes of its file."""
    stream = BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def write_zip(
    images: Sequence[FileDataset], path: Path, method: int = zipfile.ZIP_DEFLATED
) -> Path:
    """The images in a zip."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for number, image in enumerate(images):
            archive.writestr(f"{NAME}/IM{number}.dcm", file_bytes(image))
    return path
