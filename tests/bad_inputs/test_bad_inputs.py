"""Every bad input ends in one line that names the file and says what is wrong and what to do; nothing is left behind.

All quick ones are given to one run of the real command, in a process of its own, and to one real gateway.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from bad_inputs.bad_input import BAD_INPUTS, Answer, BadInput
from bad_inputs.files import WHOLE
from bad_inputs.page import PAGE, render
from command import Finished, parcela
from gateway_server import Gateway, claim_any
from nifti_files import image, nifti, write
from parcela.errors import BadScan
from parcela.jobs.stage_task import StageTask
from redis_server import shared_redis

__all__ = ["shared_redis"]

EXIT_BAD_SCAN = 2
MOST_BYTES = 256 * 1024**2
MOST_S = 2.0  # of a processor, children among it: the clock does not count
QUICK = [row for row in BAD_INPUTS.values() if not row.slow]
SENT = [row for row in BAD_INPUTS.values() if row.api is not Answer.NO_FILE]


def named(row: BadInput) -> str:
    return row.file


class Predicted(NamedTuple):
    """All bad inputs in one run: the scan of each case, how the run ended, and its files before and after."""

    scans: dict[str, Path]
    done: Finished
    before: list[Path]
    after: list[Path]


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Predicted:
    folder = tmp_path_factory.mktemp("bad")
    scans = {}
    for number, row in enumerate(QUICK):
        place = folder / f"{number:03}"
        place.mkdir()
        with suppress(pytest.skip.Exception):
            scans[row.file] = row.build(place)
    before = sorted(folder.rglob("*"))
    done = parcela("predict", *scans.values(), "-o", folder / "out")
    return Predicted(scans, done, before, sorted(folder.rglob("*")))


@pytest.mark.parametrize("row", QUICK, ids=named)
def test_given_a_bad_input_when_predicted_then_one_line_says_what_is_wrong_and_what_to_do(
    row: BadInput, predicted: Predicted
) -> None:
    if row.file not in predicted.scans:
        pytest.skip("root may read everything")
    assert_said(row, predicted.scans[row.file], predicted.done)


def assert_said(row: BadInput, scan: Path, done: Finished) -> None:
    """One line of what was said is about this scan, and holds the words."""
    lines = done.err.splitlines()
    (line,) = (line for line in lines if line.startswith(f"parcela: {scan}: "))
    assert_explains(line.removeprefix(f"parcela: {scan}: "), row.wrong, row.remedy)
    assert sum(str(scan.parent) in line for line in lines) == 1


def assert_explains(reason: str, wrong: str, remedy: str) -> None:
    assert wrong in reason
    assert remedy in reason[reason.index(wrong) + len(wrong) :]


def test_given_bad_inputs_alone_when_predicted_then_nothing_is_computed_kept_or_left(
    predicted: Predicted,
) -> None:
    done, count = predicted.done, len(predicted.scans)
    assert done.code == EXIT_BAD_SCAN
    assert done.out == ""
    assert len(done.err.splitlines()) == count + 1
    assert done.err.splitlines()[-1] == f"parcela: {count} of {count} scans failed"
    assert done.peak_bytes < MOST_BYTES
    assert predicted.after == predicted.before


def test_given_one_bad_input_when_predicted_then_its_line_is_all_that_is_said(
    tmp_path: Path,
) -> None:
    scan = write(tmp_path / "scan.nii.gz", nifti(image(), sform_code=0, pixdim=(1, 0.0)))
    done = parcela("predict", scan, "-o", tmp_path / "out")
    assert done.code == EXIT_BAD_SCAN
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith(f"parcela: {scan}: voxel sizes of 0, 2, 2 mm")
    assert done.peak_bytes < MOST_BYTES
    assert list(tmp_path.iterdir()) == [scan]


@pytest.mark.parametrize(
    ("command", "out"), [("predict", "map.nii.gz"), ("predict", "a/b"), ("preprocess", "a/b")]
)
def test_given_a_bad_input_when_any_output_is_asked_for_then_it_is_not_created(
    command: str, out: str, tmp_path: Path
) -> None:
    scan = write(tmp_path / "scan.nii", WHOLE[:-1])
    done = parcela(command, scan, "-o", tmp_path / out)
    assert (done.code, done.out) == (EXIT_BAD_SCAN, "")
    assert len(done.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [scan]


# ---------------------------------------------------------------------------------------- the API


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=[pytest.mark.slow] if row.slow else []) for row in SENT],
    ids=[row.file for row in SENT],
)
def test_given_a_bad_input_when_uploaded_then_the_api_says_the_same_and_nothing_is_kept(
    row: BadInput, standing: Gateway, tmp_path: Path
) -> None:
    response = standing.submit(row.build(tmp_path).read_bytes())
    wrong, remedy = row.api.words(row)
    if row.api.accepted:
        assert response.status_code == 202
        assert_explains(_said_by_the_stage(standing), wrong, remedy)
        assert standing.http.delete(response.json()["links"]["self"]).status_code == 204
    else:
        assert (response.status_code, response.json()["type"]) == (422, "/docs#bad-scan")
        assert_explains(response.json()["detail"], wrong, remedy)
    assert [key for key in standing.stored() if "scan" in key] == []


def _said_by_the_stage(gateway: Gateway) -> str:
    """What the first stage of the one waiting job says of its scan."""
    claim = claim_any(gateway.ledger)
    assert claim is not None
    with tempfile.TemporaryDirectory() as folder, pytest.raises(BadScan) as refusal:
        StageTask.of(
            *(claim.job.id, claim.stage, claim.token, {}, gateway.store, Path(folder)),
            lambda *_: None,
        ).scan()
    return str(refusal.value)


# ---------------------------------------------------------------------------------------- the page, the limits


def test_when_the_page_is_looked_at_then_it_is_that_of_the_inputs() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "stale: see bad_inputs/page.py"


def test_when_the_inputs_are_counted_then_there_are_eighty_and_more() -> None:
    assert len(BAD_INPUTS) >= 80


@pytest.mark.slow
@pytest.mark.parametrize("row", BAD_INPUTS.values(), ids=named)
def test_given_a_bad_input_alone_when_predicted_then_it_takes_neither_long_nor_much_memory(
    row: BadInput, tmp_path: Path
) -> None:
    place = tmp_path / "in"
    place.mkdir()
    scan = row.build(place)
    done = parcela("predict", scan, "-o", tmp_path / "out")
    print(f"\t{done.cpu_s:.2f} s\t{done.peak_bytes / 1e6:.0f} MB\t{row.file}")
    assert done.code == EXIT_BAD_SCAN
    assert_said(row, scan, done)
    assert done.cpu_s < MOST_S
    assert done.peak_bytes < MOST_BYTES
    shutil.rmtree(place)
