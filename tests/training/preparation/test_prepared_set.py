from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parcela.errors import BadRequest
from parcela_training.preparation.prepared_set import COLUMNS, PreparedImage, PreparedSet


def prepared_set(folder: Path, preset: str = "modern") -> PreparedSet:
    rows = [
        dict.fromkeys(COLUMNS, "n/a") | {"id": name, "split": part, "verdict": verdict}
        for name, part, verdict in (
            ("a", "train", "ok"),
            ("b", "train", "failed"),
            ("c", "train", "doubtful"),
            ("d", "val", "ok"),
        )
    ]
    for row in rows:
        row |= {"file": f"images/{row['id']}_0123.npz", "dataset": f"set of {row['id']}"}
    return PreparedSet(folder, tuple(rows), {"preset": preset, "shape": [46, 61, 62]})


def test_given_an_image_when_saved_then_it_reads_back_equal(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 117, (4, 5, 6)).astype(np.uint8)
    image = rng.random((4, 5, 6)).astype(np.float16)
    made = PreparedImage(
        image, labels, labels + 1, np.eye(4), {"verdict": "ok", "seconds": {"a": 1}}
    )

    made.save(tmp_path / "a_0123.npz")
    read = PreparedImage.load(tmp_path / "a_0123.npz")

    for name in ("image", "label", "registered", "affine"):
        np.testing.assert_array_equal(getattr(read, name), getattr(made, name))
        assert getattr(read, name).dtype == getattr(made, name).dtype
    assert read.record == PreparedImage.load_record(tmp_path / "a_0123.npz") == made.record
    assert [path.name for path in tmp_path.iterdir()] == ["a_0123.npz"]


def test_given_a_set_when_written_then_it_reads_back_equal(tmp_path: Path) -> None:
    made = prepared_set(tmp_path)
    made.write()
    read = PreparedSet.read(tmp_path)

    assert read.rows == made.rows
    assert read.preset == "modern"
    assert read.shape == (46, 61, 62)
    assert read.datasets["b"] == "set of b"


@pytest.mark.parametrize(("preset", "used"), [("modern", ["a", "c"]), ("thesis", ["a", "b", "c"])])
def test_given_failed_labels_when_listed_then_only_the_thesis_uses_them(
    tmp_path: Path, preset: str, used: list[str]
) -> None:
    found = prepared_set(tmp_path, preset)
    assert found.ids("train") == used
    assert found.files("train") == [tmp_path / "images" / f"{name}_0123.npz" for name in used]
    assert found.files("test") == []


def test_given_a_run_that_did_not_end_when_read_then_the_message_says_how_many_are_there(
    tmp_path: Path,
) -> None:
    made = prepared_set(tmp_path)
    replace(made, record={**made.record, "complete": False, "images": 7}).write()
    with pytest.raises(BadRequest, match="4 of 7 images are prepared"):
        PreparedSet.read(tmp_path)


def test_given_a_folder_without_tables_when_read_then_the_message_says_what_to_run(
    tmp_path: Path,
) -> None:
    with pytest.raises(BadRequest, match="run parcela prepare COHORT -o"):
        PreparedSet.read(tmp_path)
