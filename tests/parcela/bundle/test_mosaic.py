"""The mosaic: the left where it says left, millimetres true, the same bytes twice."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from matplotlib.image import imread

from parcela.atlas.aal import region
from parcela.atlas.counts import RegionCounts
from parcela.bundle import mosaic
from parcela.bundle.mosaic import write_mosaic
from parcela.imaging.slices import FILL

LEFT, RIGHT = 1, 4  # two regions, one of each side: blue and crimson
Phantom = tuple[np.ndarray, np.ndarray, np.ndarray]
orientations: Any = nib.orientations


def phantom(
    axes: str = "RAS",
    spacing_mm: tuple[float, float, float] = (2.0, 2.0, 2.0),
    tilt: float = 0.0,
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Phantom:
    """A black image with a ball of 50 mm radius, LEFT in its left half and RIGHT in its right: image, labels, affine.

    The spacing holds for the world's axes; ``tilt`` turns the grid about z (radians); then its axes are permuted.
    """
    shape = tuple(round(140 / s) for s in spacing_mm)
    index = np.moveaxis(np.indices(shape), 0, -1) + 0.5
    place = index * spacing_mm - 70  # the grid's own millimetres, before tilt and shift
    ball = np.linalg.norm(place, axis=-1) < 50
    labels = np.where(ball, np.where(place[..., 0] < 0, LEFT, RIGHT), 0).astype(np.uint8)
    affine = np.eye(4)
    affine[:3, :3] = np.diag(spacing_mm)
    affine[:3, 3] = np.asarray(spacing_mm) / 2 - 70
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
    turned[:3, 3] = centre_mm
    affine = turned @ affine
    turn = orientations.ornt_transform(
        orientations.io_orientation(affine), orientations.axcodes2ornt(axes)
    )
    labels = orientations.apply_orientation(labels, turn)
    return labels * 0.0, labels, affine @ orientations.inv_ornt_aff(turn, shape)


def draw(
    path: Path, image: np.ndarray, labels: np.ndarray, affine: np.ndarray, **options: Any
) -> None:
    write_mosaic(path, image, labels, affine, RegionCounts.of(labels), **options)


def painted(path: Path) -> np.ndarray:
    """(height, width): LEFT and RIGHT where a pixel is the inside of that region, 0 elsewhere."""
    picture = np.rint(imread(path)[..., :3] * 255)
    found = np.zeros(picture.shape[:2], int)
    for index in (LEFT, RIGHT):
        inside = FILL * np.asarray(region(index).rgb)  # over black
        found[(np.abs(picture - inside) <= 1).all(axis=-1)] = index
    return found


def bands(found: np.ndarray) -> list[np.ndarray]:
    """The rows of slices, top to bottom."""
    rows = np.flatnonzero(found.any(axis=1))
    return [found[part] for part in np.split(rows, np.flatnonzero(np.diff(rows) > 5) + 1)]


def from_left_to_right(band: np.ndarray) -> list[int]:
    """The regions met along the middle of one row of slices."""
    return [key for key, _ in groupby(band[len(band) // 2]) if key]


@pytest.mark.parametrize("axes", ["RAS", "LAS", "LPS", "PSR", "SAL"])
@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_given_any_array_axes_when_drawn_then_the_left_half_is_on_the_left(
    axes: str, tilt: float, tmp_path: Path
) -> None:
    image, labels, affine = phantom(axes, tilt=tilt)
    assert "".join(nib.orientations.aff2axcodes(affine)) == axes
    draw(tmp_path / "qc.png", image, labels, affine)

    sagittal, coronal, axial = bands(painted(tmp_path / "qc.png"))
    assert from_left_to_right(coronal) == [LEFT, RIGHT] * 7
    assert from_left_to_right(axial) == [LEFT, RIGHT] * 7
    assert set(sagittal[:, : sagittal.shape[1] // 2].ravel()) == {0, LEFT}
    assert set(sagittal[:, sagittal.shape[1] // 2 :].ravel()) == {0, RIGHT}


@pytest.mark.parametrize("axes", ["RAS", "PSR"])
@pytest.mark.parametrize("spacing_mm", [(0.5, 0.5, 3.0), (3.0, 1.0, 1.0), (2.0, 2.0, 2.0)])
def test_given_anisotropic_voxels_when_drawn_then_a_ball_is_round(
    axes: str, spacing_mm: tuple[float, float, float], tmp_path: Path
) -> None:
    draw(tmp_path / "qc.png", *phantom(axes, spacing_mm))

    for band in bands(painted(tmp_path / "qc.png"))[1:]:
        middle = band[:, band.shape[1] // 2 - 110 : band.shape[1] // 2 + 110]
        height, width = (np.ptp(np.flatnonzero(middle.any(axis=a))) for a in (1, 0))
        assert width > 120
        assert height == pytest.approx(width, rel=0.06)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every text put on the pictures drawn in this test."""
    seen: list[Any] = []

    def record(canvas: np.ndarray, texts: list[Any]) -> bytes:
        assert all(0 < text.x < canvas.shape[1] and 0 < text.y < len(canvas) for text in texts)
        seen.extend(texts)
        return b""

    monkeypatch.setattr(mosaic, "_png", record)
    return seen


def test_given_a_ball_off_the_origin_when_drawn_then_slices_carry_its_world_coordinates(
    words: list[Any], tmp_path: Path
) -> None:
    draw(tmp_path / "qc.png", *phantom("PSR", (1, 1, 1), centre_mm=(10, -20, 31.5)))

    for axis, centre in (("x", 10), ("y", -20), ("z", 31.5)):
        values = [number for number, _ in coordinates(words, axis)]
        assert len(values) == (6 if axis == "x" else 7)
        assert np.mean(values) == pytest.approx(centre, abs=0.6)
        assert 12 <= np.diff(values).min() <= np.diff(values).max() <= 17  # evenly, left to right
        assert centre - 42 < values[0] < centre - 36  # near the ball's ends
    assert [side for _, side in coordinates(words, "x")] == ["left"] * 3 + ["right"] * 3


def coordinates(words: list[Any], axis: str) -> list[tuple[int, str]]:
    """World coordinate and side written over each slice across one axis."""
    found = []
    for word in words:
        if word.text.startswith(f"{axis} = "):
            number, _, *side = word.text[4:].replace("−", "-").split()
            found.append((int(number), "".join(side)))
    return found


def test_given_known_sides_when_drawn_then_each_slice_is_marked_at_its_ends(
    words: list[Any], tmp_path: Path
) -> None:
    draw(tmp_path / "qc.png", *phantom())

    marks = [word for word in words if word.text in ("L", "R", "P", "A")]
    assert [mark.text for mark in marks] == ["P", "A"] * 6 + ["L", "R"] * 14
    for first, second in zip(marks[::2], marks[1::2], strict=True):
        assert first.y == second.y
        assert 100 < second.x - first.x < 300


def test_given_unknown_sides_when_drawn_then_every_mark_of_a_side_is_in_doubt(
    words: list[Any], tmp_path: Path
) -> None:
    draw(tmp_path / "qc.png", *phantom(), sides_known=False)

    texts = [word.text for word in words]
    assert (texts.count("L?"), texts.count("R?"), texts.count("L")) == (14, 14, 0)
    assert sum(text.endswith(("left?", "right?")) for text in texts) == 6
    assert any("does not say which side" in text for text in texts)


def test_given_a_narrow_head_when_drawn_then_no_word_over_a_slice_runs_into_another(
    words: list[Any], tmp_path: Path
) -> None:
    labels = np.ones((14, 30, 125), np.uint8)  # as of a slab: 28 mm wide and 250 mm high
    draw(
        tmp_path / "qc.png", labels * 0.0, labels, np.diag([2.0, 2.0, 2.0, 1.0]), sides_known=False
    )

    over_slices = [word for word in words if not word.rotation and word.size < 10 and word.y < 1300]
    rows = [sorted(row, key=lambda word: word.x) for _, row in groupby(over_slices, lambda w: w.y)]
    assert len(rows) == 3
    for row in rows:
        starts = [
            word.x - {"left": 0, "center": 0.5, "right": 1}[word.align] * 6 * len(word.text)
            for word in row
        ]
        ends = [start + 6 * len(word.text) for start, word in zip(starts, row, strict=True)]
        assert max(end - start for end, start in zip(ends, starts[1:], strict=False)) <= 0


def test_given_a_map_when_drawn_then_the_footer_counts_and_disclaims(
    words: list[Any], tmp_path: Path
) -> None:
    image, labels, affine = phantom("LAS", (1, 1, 2))
    warning = "a long warning, " * 30
    draw(
        tmp_path / "qc.png",
        image,
        labels,
        affine,
        mask=labels > 0,
        title="x" * 300,
        notes=[warning],
    )

    footer = " ".join(word.text for word in words)
    volume_ml = np.count_nonzero(labels) * 2 / 1000
    assert "regions found 2/116" in footer
    assert f"brain {volume_ml:.0f} ml" in footer
    assert "1.00 × 1.00 × 2.00 mm, array axes LAS" in footer
    assert "not a medical device" in footer
    assert footer.count("a long warning") == 30
    assert max(len(word.text) for word in words) <= 200


def test_given_the_same_input_when_drawn_twice_then_the_bytes_are_equal_and_hold_no_metadata(
    tmp_path: Path,
) -> None:
    for name in ("a.png", "b.png"):
        draw(tmp_path / name, *phantom(), title="$x$ sub-01 脳")

    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    for chunk in (b"tEXt", b"iTXt", b"zTXt", b"tIME"):
        assert chunk not in content


def test_given_an_empty_map_when_drawn_then_the_whole_scan_is_shown(tmp_path: Path) -> None:
    _, labels, affine = phantom()
    ball = labels.astype(np.float32)
    draw(tmp_path / "qc.png", ball, labels * 0, affine)

    picture = imread(tmp_path / "qc.png")[..., :3]
    assert (picture[100:400, 100:-100] > 0.8).mean() > 0.1


def test_given_arrays_of_different_shape_when_drawn_then_it_is_refused(tmp_path: Path) -> None:
    image, labels, affine = phantom()

    with pytest.raises(ValueError, match="differ"):
        draw(tmp_path / "qc.png", image[1:], labels, affine)
    assert list(tmp_path.iterdir()) == []
