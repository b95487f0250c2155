"""Two runs on one scan give identical bytes of the label map."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from parcela.atlas.aal import COLIN27_HEAD


@pytest.mark.slow
@pytest.mark.parametrize("skull_strip", ["robex", "deepbet"])
def test_given_one_scan_when_parcellated_twice_then_the_label_maps_are_the_same_bytes(
    skull_strip: str, tmp_path: Path
) -> None:
    maps = [tmp_path / "first.nii.gz", tmp_path / "second.nii.gz"]
    for path in maps:
        command = [
            sys.executable,
            "-m",
            "parcela_cli.app",
            "predict",
            str(COLIN27_HEAD),
            "-o",
            str(path),
        ]
        subprocess.run([*command, "--skull-strip", skull_strip], check=True, capture_output=True)
    assert maps[0].read_bytes() == maps[1].read_bytes()
