"""Reading a file: opened once, its header parsed once, its voxels as often as asked."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from nifti_files import image, nifti, write
from parcela.errors import BadScan
from parcela.imaging import reading
from parcela.imaging.header import parse_header
from parcela.imaging.reading import Reading, unpacking
from parcela.imaging.volume import read_volume

LIMITS = {"max_voxels": 10_000, "max_bytes": 1_000_000}


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
@pytest.mark.parametrize("version", [1, 2])
def test_given_a_file_when_rewound_then_the_same_voxels_come_again(
    tmp_path: Path, name: str, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHUNK", 128)
    data = image((6, 7, 8), "int16")
    path = write(tmp_path / name, nifti(data, version=version))
    with path.open("rb") as file:
        scan = Reading.of(path, file, **LIMITS)
        for _ in range(2):
            assert b"".join(scan.voxels()) == np.asarray(data, "<i2").tobytes(order="F")
            scan.finish()
            scan.rewind()


def test_given_a_scan_when_read_into_memory_then_its_file_is_opened_and_its_header_parsed_once(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "scan.nii.gz", nifti(image()))
    with (
        patch.object(Path, "open", autospec=True, side_effect=Path.open) as opened,
        patch("parcela.imaging.reading.parse_header", wraps=parse_header) as parsed,
    ):
        read_volume(path)
    assert (opened.call_count, parsed.call_count) == (1, 1)


@pytest.mark.parametrize("error", [EOFError("early"), zlib.error("bad"), gzip.BadGzipFile("crc")])
def test_given_damaged_gzip_then_the_block_that_reads_says_so(error: Exception) -> None:
    with (
        pytest.raises(BadScan, match="the scan: the gzip stream is damaged"),
        unpacking(Path("the scan")),
    ):
        raise error
