"""Twelve sound scans of the cohort do not change by a byte: `COHORT=/path/to/bids make test-all`.

``cohort_hashes.json``: SHA-256 of model image, brain mask and trail, made with the cohort's masks. Masks and trails are
those of 9b2264a. The images changed once since, by rounding, when N4 came to be computed here (decision 12).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from parcela.imaging.volume import read_volume
from parcela_preprocess.preprocess import preprocess

HASHES = json.loads((Path(__file__).parent / "cohort_hashes.json").read_text(encoding="utf-8"))
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", HASHES)
def test_given_a_sound_scan_when_preprocessed_then_it_is_what_it_was_byte_for_byte(
    name: str,
) -> None:
    if "COHORT" not in os.environ:
        pytest.skip("set COHORT to the BIDS folder with its brain masks in derivatives/robex")
    cohort = Path(os.environ["COHORT"])
    scan = read_volume(cohort / name / "anat" / f"{name}_T1w.nii.gz")
    file = cohort / "derivatives" / "robex" / name / "anat" / f"{name}_desc-brain_mask.nii.gz"
    mask = (read_volume(file).data > 0).astype(np.uint8) if file.exists() else None
    done = preprocess(scan, mask=mask)
    made = {
        "image": done.image.tobytes(),
        "mask": done.brain_mask.tobytes(),
        "trail": done.trail.to_json().encode(),
    }
    assert {what: hashlib.sha256(value).hexdigest() for what, value in made.items()} == HASHES[name]
