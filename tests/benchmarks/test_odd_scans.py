"""Scans spoilt on purpose, and the tables of what became of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parcela.imaging.geometry import Geometry
from parcela.imaging.volume import Volume
from parcela_benchmarks import odd_scans
from parcela_benchmarks.degrade import Mask
from parcela_benchmarks.faults import SITUATIONS, WHOLE
from parcela_benchmarks.results import read_results
from parcela_training.cohorts.cohort import Image

SHAPE = (40, 44, 40)


@pytest.fixture(scope="module")
def head() -> tuple[Volume, Mask]:
    """A ball of brain in a larger ball, 4 mm."""
    places = np.indices(SHAPE) - np.reshape([20, 22, 20], (3, 1, 1, 1))
    from_middle = np.sqrt((places**2).sum(0))
    data = np.where(from_middle < 18, 500, 0) + np.where(from_middle < 14, 400 + places[0], 0)
    geometry = Geometry.of_grid(SHAPE, np.diag([4.0, 4.0, 4.0, 1.0]))
    return Volume(data.astype(np.float32), geometry), (from_middle < 14).astype(np.uint8)


@pytest.mark.parametrize("name", SITUATIONS)
def test_given_a_situation_then_its_scan_is_spoilt_and_the_sound_one_is_not(
    head: tuple[Volume, Mask], name: str
) -> None:
    scan, mask = head
    kept = scan.data.copy()
    spoilt = SITUATIONS[name][1](scan, mask)
    np.testing.assert_array_equal(scan.data, kept)
    assert spoilt.mask is None or spoilt.mask.shape == spoilt.scan.data.shape
    assert spoilt.scan.geometry.shape == spoilt.scan.data.shape
    changed = spoilt.scan.data.shape != SHAPE or (spoilt.scan.data != kept).any()
    assert changed or not spoilt.preprocess
    if "cut off" in name and "tilted" not in name:
        assert spoilt.view is not None
        assert 0 < (spoilt.view & (mask > 0)).sum() < mask.sum()


def image(work: Path) -> Image:
    return Image("sub-1", work / "sub-1_T1w.nii.gz", "sub-1")


def left(work: Path, name: str, label: str, labels: Mask, view: Mask, **said: Any) -> None:
    """What a run leaves."""
    folder = odd_scans.folder_of(image(work), name, work)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{label}.npz", labels=labels)
    np.savez(folder / "view.npz", view=view > 0)
    outcome = {"refused": None, "warnings": [], **said}
    (folder / f"{label}.json").write_text(json.dumps(outcome))


def test_given_maps_then_dice_is_of_the_regions_wholly_in_view_and_a_map_not_made_is_a_dash(
    tmp_path: Path,
) -> None:
    truth = np.zeros((6, 6, 6), np.uint8)
    truth[:2], truth[2:4], truth[4:] = 1, 2, 3
    view = np.zeros_like(truth)
    view[:5] = 1  # region 3 is cut
    found = np.where(view, truth, 0).astype(np.uint8)
    found[2] = 1  # half of region 2 is called region 1
    left(tmp_path, WHOLE, "after", truth, np.ones_like(truth))
    left(tmp_path, "top 20 mm cut off", "after", found, view, verdict="doubtful", warnings=["CUT"])
    row = odd_scans.row(image(tmp_path), "top 20 mm cut off", ("before", "after"), tmp_path)
    assert "before" not in row
    assert (row["after"]["regions_in_view"], row["after"]["regions_found"]) == (2, 3)
    assert row["after"]["dice"] == pytest.approx((0.8 + 2 / 3) / 2, abs=1e-4)
    cells = odd_scans.table([row], ("before", "after")).rows
    assert cells == (("B", "top 20 mm cut off", "sub-1", "–", "0.733", "doubtful", "CUT"),)
    line = odd_scans.page_table([row]).splitlines()[-1]
    assert line == "| B | top 20 mm cut off | 2 | – | 0.733 | doubtful |"


def test_given_the_results_then_the_table_of_the_page_is_made_from_them() -> None:
    rows: Sequence[Any] = read_results("odd_scans")["rows"]
    assert odd_scans.page_table_as_written() == odd_scans.page_table(rows)
