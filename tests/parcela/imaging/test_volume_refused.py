"""What is wrong with a scan is refused, in bounded memory, with a reason and a remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nifti_files import image, nifti, write
from parcela.errors import BadScan
from parcela.imaging import volume
from parcela.imaging.volume import read_volume
from parcela.settings import Settings

one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_given_a_cut_file_when_read_then_it_is_refused(
    tmp_path: Path, suffix: str, share: float
) -> None:
    path = write(tmp_path / f"scan{suffix}", nifti(image((20, 20, 20))))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadScan, match=r"truncated|damaged"):
        read_volume(path)


def test_given_one_byte_too_few_when_read_then_it_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.nii", nifti(image())[:-1])
    with pytest.raises(BadScan, match="truncated"):
        read_volume(path)


def test_given_nan_around_a_constant_when_read_then_there_is_no_image_in_it(tmp_path: Path) -> None:
    data = np.full((12, 14, 16), np.nan, np.float32)
    data[2:9, 2:9, 2:9] = 5
    with pytest.raises(BadScan, match=r"same value \(5\)"):
        read_volume(write(tmp_path / "scan.nii", nifti(data)))


def test_given_values_beyond_float32_when_read_then_they_are_counted_as_infinite(
    tmp_path: Path,
) -> None:
    data = image(dtype="float64")
    data[0, 0, 0] = 1e300
    assert "1 voxels are NaN or infinite" in " ".join(
        read_volume(write(tmp_path / "scan.nii", nifti(data))).warnings
    )


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets limits of reading for one test."""

    def limit(**values: Any) -> None:
        monkeypatch.setattr(volume, "settings", lambda: Settings(**values))

    return limit


def test_given_a_limit_of_voxels_when_a_scan_has_more_then_it_is_refused(
    tmp_path: Path, limit: Callable[..., None]
) -> None:
    path = write(tmp_path / "scan.nii", nifti(image((10, 10, 10))))
    limit(max_voxels=999)
    with pytest.raises(BadScan, match="1000 voxels, over the limit of 999"):
        read_volume(path)
    limit(max_voxels=1000)
    assert read_volume(path).data.size == 1000


def test_given_a_limit_of_bytes_when_the_file_is_larger_then_it_is_refused(
    tmp_path: Path, limit: Callable[..., None]
) -> None:
    path = write(tmp_path / "scan.nii", nifti(image((10, 10, 10))))
    size = path.stat().st_size
    limit(max_bytes=size - 1)
    with pytest.raises(BadScan, match="over the limit"):
        read_volume(path)
    limit(max_bytes=size)
    assert read_volume(path).data.size == 1000


def test_given_a_limit_of_bytes_when_a_small_file_unpacks_to_more_then_it_is_refused(
    tmp_path: Path, limit: Callable[..., None]
) -> None:
    data = np.zeros((50, 50, 50))
    data[25, 25, 25] = 1
    path = write(tmp_path / "scan.nii.gz", nifti(data))
    assert path.stat().st_size < 100_000
    limit(max_bytes=100_000)
    with pytest.raises(BadScan, match="over the limit"):
        read_volume(path)


def assert_sound_or_refused(path: Path) -> None:
    """Either a usable volume comes out, or one line that begins with the file's name; nothing else is raised."""
    try:
        volume = read_volume(path)
    except BadScan as error:
        reason = str(error)
    else:
        assert volume.data.shape == volume.geometry.shape
        assert np.isfinite(volume.data).all()
        assert np.isfinite(volume.geometry.affine).all()
        assert volume.geometry.voxel_volume_mm3 > 0
        return
    assert reason.startswith(f"{path}: ")
    assert "\n" not in reason


@one_folder
@given(
    version=st.sampled_from([1, 2]),
    order=st.sampled_from("<>"),
    changes=st.lists(st.tuples(st.integers(0, 539), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_given_any_damage_to_a_header_when_read_then_it_is_a_scan_or_one_line_of_reason(
    tmp_path: Path, version: int, order: Literal["<", ">"], changes: list[tuple[int, int]]
) -> None:
    content = bytearray(nifti(image((8, 9, 10), "float32"), version=version, order=order))
    for place, value in changes:
        content[place] = value
    path = write(tmp_path / "scan.nii", bytes(content))
    assert_sound_or_refused(path)


FIELDS = ("dim", "pixdim", "srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c", "quatern_d")
SCALARS = (
    "qoffset_x",
    "scl_slope",
    "scl_inter",
    "vox_offset",
    "datatype",
    "sform_code",
    "qform_code",
)


@one_folder
@given(
    version=st.sampled_from([1, 2]),
    field=st.sampled_from(FIELDS + SCALARS),
    element=st.integers(0, 7),
    value=st.one_of(
        st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-30, 1e30, 3e38, 32767.0]),
        st.integers(-(2**15), 2**15 - 1).map(float),
    ),
    codes=st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
def test_given_an_absurd_value_in_a_header_field_when_read_then_it_is_a_scan_or_one_line_of_reason(
    tmp_path: Path, version: int, field: str, element: int, value: float, codes: tuple[int, int]
) -> None:
    changes: dict[str, Any] = {"sform_code": codes[0], "qform_code": codes[1]}
    kind = nib.Nifti1Header.template_dtype if version == 1 else nib.Nifti2Header.template_dtype
    base = kind[field].base
    if base.kind == "i" and not (np.isfinite(value) and abs(value) < 2 ** (8 * base.itemsize - 1)):
        value = -1.0
    if base.kind == "f" and base.itemsize == 4 and np.isfinite(value):
        value = float(np.float32(value))
    size = kind[field].shape
    changes[field] = (element % size[0], value) if size else value
    path = write(tmp_path / "scan.nii", nifti(image((8, 9, 10)), version=version, **changes))
    assert_sound_or_refused(path)
