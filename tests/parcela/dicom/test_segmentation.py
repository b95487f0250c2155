"""A label map as a DICOM segmentation: its voxels where the map has them, right on the right, 116 coded segments."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import JPEGLSLossless

from dicom_series import oblique, series, write_folder, write_zip
from parcela.atlas.aal import regions
from parcela.dicom.conversion import read_scan, write_segmentation
from parcela.dicom.segmentation import segmentation_of
from parcela.dicom.segments import SCHEME, property_type
from parcela.imaging.label_map import write_label_map
from parcela.imaging.volume import Volume

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SAGITTAL = np.array([[0, 0, 2.0, -15], [-2.0, 0, 0, 15], [0, -2.0, 0, 20], [0, 0, 0, 1]])
DATA = np.random.default_rng(0).integers(0, 4000, (16, 14, 12)).astype(np.uint16)
LEFT, RIGHT = 1, 2


def labels_of(volume: Volume) -> NDArray[np.uint8]:
    """Precentral_L left of the middle, Precentral_R right of it, and some others scattered."""
    index = np.indices(volume.data.shape).reshape(3, -1)
    x = (volume.geometry.affine[:3, :3] @ index + volume.geometry.affine[:3, 3:])[0]
    labels = np.where(x < 0, LEFT, RIGHT).reshape(volume.data.shape)
    scattered = np.random.default_rng(1).choice([0, 5, 77, 78, 115], labels.shape)
    return np.where(volume.data < 1000, scattered, labels).astype(np.uint8)


def placed(path: Path, volume: Volume) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A segmentation's labels at the map's voxels, and where they lie (mm to the right); every frame has its voxels."""
    found = hd.seg.segread(path).get_volume(combine_segments=True)
    index = np.indices(found.array.shape).reshape(3, -1)
    world = (LPS_TO_RAS @ found.affine) @ np.vstack([index, np.ones(index.shape[1])])
    voxel = np.linalg.inv(volume.geometry.affine) @ world
    np.testing.assert_allclose(voxel, np.rint(voxel), atol=1e-3)
    labels = np.full(volume.data.shape, 255, np.uint8)
    at = tuple(np.rint(voxel[:3]).astype(int))
    labels[at] = found.array.ravel()
    x = np.zeros(volume.data.shape)
    x[at] = world[0]
    return labels, x


@pytest.fixture(scope="module")
def oblique_scan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Volume]:
    """A series that lacks what anonymising takes away, and the volume that it is."""
    images = series(DATA, oblique(25, (1.5, 2.0, 2.5)), JPEGLSLossless)
    for image in images:
        for name in ("PatientBirthDate", "StudyID", "AccessionNumber", "StudyTime"):
            delattr(image, name)
    path = write_zip(images, tmp_path_factory.mktemp("oblique") / "series.zip")
    return path, read_scan(path)


def test_given_a_map_when_written_as_a_segmentation_then_each_voxel_has_its_place_and_its_side(
    tmp_path: Path, oblique_scan: tuple[Path, Volume]
) -> None:
    path, volume = oblique_scan
    labels = labels_of(volume)
    write_label_map(tmp_path / "map.nii.gz", labels, volume.geometry)
    write_segmentation(path, tmp_path / "map.nii.gz", tmp_path / "map.dcm")
    found, x = placed(tmp_path / "map.dcm", volume)
    np.testing.assert_array_equal(found, labels)
    assert x[found == LEFT].mean() < 0 < x[found == RIGHT].mean()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["map.dcm", "map.nii.gz"]


def test_given_a_sagittal_series_then_its_segmentation_refers_to_each_image_and_lies_on_them(
    tmp_path: Path,
) -> None:
    images = series(DATA, SAGITTAL)
    volume = read_scan(write_folder(images, tmp_path / "series"))
    paths, labels = list((tmp_path / "series").rglob("*.dcm")), labels_of(volume)
    segmentation = segmentation_of(paths, labels, volume.geometry.affine)
    segmentation.save_as(tmp_path / "map.dcm")
    found, x = placed(tmp_path / "map.dcm", volume)
    np.testing.assert_array_equal(found, labels)
    assert x[found == LEFT].mean() < 0 < x[found == RIGHT].mean()

    opened = pydicom.dcmread(tmp_path / "map.dcm")
    assert opened.SegmentationType == "BINARY"
    (referred,) = opened.ReferencedSeriesSequence
    assert referred.SeriesInstanceUID == images[0].SeriesInstanceUID
    assert {item.ReferencedSOPInstanceUID for item in referred.ReferencedInstanceSequence} == {
        image.SOPInstanceUID for image in images
    }
    assert opened.PatientName == images[0].PatientName  # a derived object is its patient's
    assert opened.FrameOfReferenceUID == images[0].FrameOfReferenceUID
    _check_segments(opened.SegmentSequence)
    drawn = {f.SegmentIdentificationSequence[0].ReferencedSegmentNumber for f in frames_of(opened)}
    assert drawn == set(np.unique(labels)) - {0}
    with pytest.raises(ValueError, match="does not lie on the series' own grid"):
        segmentation_of(paths, labels, volume.geometry.affine @ np.diag([1.05, 1.0, 1.0, 1.0]))


def frames_of(opened: pydicom.Dataset) -> list[pydicom.Dataset]:
    return list(opened.PerFrameFunctionalGroupsSequence)


def _check_segments(segments: list[pydicom.Dataset]) -> None:
    assert [segment.SegmentNumber for segment in segments] == list(range(1, 117))
    for segment, region in zip(segments, regions(), strict=True):
        kind = segment.SegmentedPropertyTypeCodeSequence[0]
        assert segment.SegmentLabel == region.name
        sides = [s.CodeMeaning for s in kind.get("SegmentedPropertyTypeModifierCodeSequence", [])]
        assert sides == {"L": ["Left"], "R": ["Right"], "M": []}[region.hemisphere]
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        assert segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "Parcela"
        assert segment.AnatomicRegionSequence[0].CodingSchemeDesignator == "SCT"


def test_given_each_region_then_it_is_coded_by_snomed_where_dicom_has_it_else_by_aals_number() -> (
    None
):
    types = {region.name: property_type(region) for region in regions()}
    snomed = {
        name: (t.value, t.meaning) for name, t in types.items() if t.scheme_designator == "SCT"
    }
    assert len(snomed) == 14
    assert snomed["Thalamus_L"] == snomed["Thalamus_R"] == ("42695009", "Thalamus")
    assert snomed["Hippocampus_R"] == ("5366008", "Hippocampus")
    assert (types["Precentral_L"].value, types["Precentral_L"].meaning) == ("2001", "Precentral_L")
    private = [t.value for t in types.values() if t.scheme_designator == SCHEME]
    assert len(set(private)) == 102
