"""Images that are not one MR series of one volume are refused, with what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    EnhancedSRStorage,
    HTJ2KLossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from dicom_series import NAME, PATIENT, file_bytes, oblique, series
from parcela.dicom.series import check_series, planes_of, read_instances
from parcela.errors import BadScan

DATA = np.arange(4 * 5 * 12, dtype=np.uint16).reshape(4, 5, 12)
Change = Callable[[list[FileDataset]], Any]


def images() -> list[FileDataset]:
    return series(DATA, oblique())


def written(images: Sequence[FileDataset], folder: Path) -> list[Path]:
    paths = [folder / f"{number}" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(file_bytes(image))
    return paths


def setting(image: FileDataset, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(image, name, value)


def every(**values: Any) -> Change:
    """Set these values in each image."""

    def change(images: list[FileDataset]) -> None:
        for image in images:
            setting(image, values)

    return change


def last(**values: Any) -> Change:
    """Set these values in the last image."""
    return lambda images: setting(images[-1], values)


def without(name: str) -> Change:
    return lambda images: [image.pop(name) for image in images]


def other_series(images: list[FileDataset]) -> None:
    images[-1].SeriesInstanceUID, images[-1].SeriesNumber = generate_uid(), 9


def repacked(images: list[FileDataset]) -> None:
    images[0].file_meta.TransferSyntaxUID = HTJ2KLossless
    images[0].PixelData = encapsulate([images[0].PixelData])


def shifted(images: list[FileDataset]) -> None:
    images[4].ImagePositionPatient = images[3].ImagePositionPatient


def nudged(images: list[FileDataset]) -> None:
    one, other = (np.array(images[n].ImagePositionPatient, float) for n in (3, 4))
    images[4].ImagePositionPatient = (one + 0.6 * (other - one)).tolist()


def reports(images: list[FileDataset]) -> None:
    without("Rows")(images)
    every(SOPClassUID=EnhancedSRStorage)(images)


REFUSED: dict[str, tuple[Change, str]] = {
    "two series": (
        other_series,
        r"holds 2 series \(11 MR images of number 5, 1 MR images of number 9",
    ),
    "two patients": (last(PatientID="PATIENT-2"), "of several patients"),
    "two studies": (last(StudyInstanceUID=generate_uid()), "of several studies"),
    "two positions": (last(FrameOfReferenceUID=generate_uid()), "of several positions"),
    "the same image twice": (lambda images: images.append(images[0]), "the same image twice"),
    "screenshots": (every(SOPClassUID=SecondaryCaptureImageStorage), "screenshots"),
    "colour": (every(SamplesPerPixel=3, PhotometricInterpretation="RGB"), "in colour"),
    "inverted": (every(PhotometricInterpretation="MONOCHROME1"), "inverted"),
    "another modality": (every(Modality="CT"), "its modality is CT, not MR"),
    "no modality": (without("Modality"), "its modality is unknown"),
    "no position": (without("ImagePositionPatient"), "do not say where they lie"),
    "no orientation": (without("ImageOrientationPatient"), "do not say where they lie"),
    "half an orientation": (every(ImageOrientationPatient=[1, 0, 0]), "do not say where they lie"),
    "an orientation of nothing": (every(ImageOrientationPatient=[0] * 6), "do not say where"),
    "no pixel size": (without("PixelSpacing"), "do not say where they lie"),
    "two pixel sizes": (last(PixelSpacing=[1, 3]), "differ in pixel size"),
    "two sizes": (last(Rows=9), "differ in size"),
    "a localizer": (last(ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), "several orientations"),
    "one image": (lambda images: images.__delitem__(slice(1, None)), "holds 1 image: give all"),
    "missing images": (
        lambda images: images.__delitem__(slice(4, 6)),
        "2 of its images are missing",
    ),
    "two at one place": (shifted, "several of its images lie at the same place"),
    "uneven": (nudged, "mm apart"),
    "packed otherwise": (
        repacked,
        "packed as High-Throughput JPEG 2000.*, which dcm2niix does not",
    ),
    "no image": (lambda images: images.clear(), "holds no DICOM image"),
    "reports alone": (reports, "holds no DICOM image"),
    "cut in its header": (without("Rows"), "ends in its header"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_given_images_that_are_no_volume_when_checked_then_they_are_refused_without_a_name(
    tmp_path: Path, kind: str
) -> None:
    change, reason = REFUSED[kind]
    changed = images()
    change(changed)
    with pytest.raises(BadScan, match=reason) as refused:
        check_series(read_instances(written(changed, tmp_path)))
    message = str(refused.value)
    assert ":" in message  # and what to do
    assert not any(word in message for word in (NAME, "Doe", PATIENT, str(tmp_path)))


@pytest.mark.parametrize("cut", [130, 140, 400])
def test_given_a_file_cut_short_when_read_then_it_is_refused(tmp_path: Path, cut: int) -> None:
    paths = written(images(), tmp_path)
    paths[0].write_bytes(paths[0].read_bytes()[:cut])
    with pytest.raises(BadScan):
        check_series(read_instances(paths))


def test_given_pixels_packed_as_nobody_does_when_read_then_the_message_does_not_quote_the_file(
    tmp_path: Path,
) -> None:
    paths = written(images(), tmp_path)
    content = paths[0].read_bytes()
    paths[0].write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.999.10008.1.2.1\0", 1))
    with pytest.raises(BadScan, match="packed in an unknown way, which dcm2niix does not read"):
        read_instances(paths)


@pytest.mark.parametrize("tag", [b"\x08\x00\x60\x00", b"\x20\x00\x0d\x00", b"\x28\x00\x10\x00"])
def test_given_a_value_that_is_none_of_its_kind_when_checked_then_the_series_is_refused(
    tmp_path: Path, tag: bytes
) -> None:
    paths = written(images(), tmp_path)
    content = paths[3].read_bytes()
    place = content.index(tag) + len(tag)
    paths[3].write_bytes(content[:place] + b"\x43\xff" + content[place + 2 :])
    with pytest.raises(BadScan, match="damaged"):
        check_series(read_instances(paths))


def test_given_a_series_with_a_report_beside_it_when_checked_then_it_is_taken(
    tmp_path: Path,
) -> None:
    report = images()[0]
    for name in ("Rows", "Columns", "PixelData"):
        delattr(report, name)
    report.SOPClassUID = EnhancedSRStorage
    report.SeriesInstanceUID, report.SOPInstanceUID = generate_uid(), generate_uid()
    report.file_meta.MediaStorageSOPInstanceUID = report.SOPInstanceUID
    instances = read_instances(written([*images(), report], tmp_path))
    check_series(instances)
    assert len(instances) == DATA.shape[2]


def test_given_one_file_of_all_slices_when_asked_then_the_planes_are_those_of_single_files() -> (
    None
):
    single = images()
    multi, shared = Dataset(), Dataset()
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = single[0].ImageOrientationPatient
    shared.PixelMeasuresSequence = [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = single[0].PixelSpacing
    multi.SharedFunctionalGroupsSequence = [shared]
    multi.PerFrameFunctionalGroupsSequence = []
    for image in single:
        frame = Dataset()
        frame.PlanePositionSequence = [Dataset()]
        frame.PlanePositionSequence[0].ImagePositionPatient = image.ImagePositionPatient
        multi.PerFrameFunctionalGroupsSequence.append(frame)
    for one, other in zip(planes_of(multi), [planes_of(i)[0] for i in single], strict=True):
        np.testing.assert_array_equal(one.position, other.position)
        np.testing.assert_array_equal(one.orientation, other.orientation)
        assert one.spacing_mm == other.spacing_mm
