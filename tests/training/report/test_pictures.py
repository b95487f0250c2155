"""The figures: the same bytes twice, the left on the left, what changed to be seen."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from parcela.atlas.aal import color_table
from parcela_training.report import plots
from parcela_training.report.pictures import preprocessing as preprocessing_pictures
from parcela_training.report.pictures.labels import draw_label, draw_prediction
from parcela_training.report.pictures.preprocessing import draw_preprocessing, draw_step
from parcela_training.report.pictures.slices import Scan
from parcela_training.report.pictures.views import View
from parcela_training.report.plots import draw_boxes, draw_curves
from parcela_training.report.record import ExperimentRecord

LEFT, RIGHT = 1, 4
LAS = np.diag([-2.0, 1.0, 1.5, 1.0])


def labelled() -> tuple[Scan, np.ndarray]:
    """An image and its two regions; the array's first axis runs to the left."""
    labels = np.zeros((16, 20, 18), np.uint8)
    labels[3:8, 4:16, 4:14] = RIGHT
    labels[8:13, 4:16, 4:14] = LEFT
    return Scan((labels > 0) * 100.0, LAS), labels


def pixels(png: bytes) -> np.ndarray:
    """(height, width, 3), 0 to 255."""
    return np.asarray(np.rint(imread(BytesIO(png))[..., :3] * 255), np.uint8)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures drawn in this test."""
    seen: list[Figure] = []

    def keep(figure: Figure) -> bytes:
        seen.append(figure)
        return b"\x89PNG"

    for module in (plots, preprocessing_pictures):
        monkeypatch.setattr(module, "to_png", keep)
    return seen


def test_given_the_same_input_when_drawn_twice_then_the_bytes_are_equal_and_hold_no_metadata(
    record: ExperimentRecord,
) -> None:
    evaluated = [(run.title, run.evaluations[0]) for run in record.networks]
    scan, labels = labelled()
    drawings: list[Callable[[], bytes]] = [
        lambda: draw_boxes(evaluated, "best"),
        lambda: draw_curves(record.networks),
        lambda: draw_step(scan, scan, "step"),
        lambda: draw_label(scan, labels)["3.12"],
    ]
    for draw in drawings:
        content = draw()
        assert content == draw()
        assert content.startswith(b"\x89PNG")
        for chunk in (b"tEXt", b"iTXt", b"zTXt", b"tIME"):
            assert chunk not in content


def test_given_two_networks_when_boxed_then_each_has_a_panel_of_its_five_with_both_in_it(
    record: ExperimentRecord, figures: list[Figure]
) -> None:
    evaluated = [(run.title, run.evaluations[0]) for run in record.networks]

    draw_boxes(evaluated, "worst")

    (figure,) = figures
    assert len(figure.axes) == 2
    for axes, (title, evaluation) in zip(figure.axes, evaluated, strict=True):
        assert title in axes.get_title()
        names = [label.get_text() for label in axes.get_xticklabels()]
        worst = np.argsort(evaluation.medians[1:], kind="stable")[:5] + 1
        assert [int(name.split("(")[1][:-1]) for name in names] == worst.tolist()
        assert len(axes.patches) == 10
    assert figure.axes[0].get_xticklabels()[0].get_text() == "Vermis_3\n(110)"


def test_given_a_region_absent_from_a_label_when_boxed_then_its_image_is_left_out(
    record: ExperimentRecord, figures: list[Figure]
) -> None:
    evaluation = record.networks[1].evaluations[0]
    dice = np.full_like(evaluation.dice, np.nan)
    dice[:, 0], dice[:, 1] = 0.9, np.nan
    dice[4:, 1] = 0.5
    evaluation = type(evaluation)(
        "unet", "opened", evaluation.images, evaluation.datasets, dice, evaluation.seconds
    )

    draw_boxes([("U-Net", evaluation)], "best")

    (axes,) = figures[0].axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Precentral_L\n(1)"]
    middles = [np.asarray(line.get_ydata(), float) for line in axes.lines]
    assert all(np.isfinite(line).all() for line in middles if line.size)
    assert any((line == 0.5).any() for line in middles)


def test_given_a_curve_with_gaps_when_drawn_then_only_what_was_measured_is_a_point(
    record: ExperimentRecord, figures: list[Figure]
) -> None:
    draw_curves(record.networks)

    train, validation = figures[0].axes[0].lines
    assert (len(train.get_xdata()), len(validation.get_xdata())) == (24, 12)  # type: ignore[arg-type]


def test_given_a_step_when_drawn_then_grid_and_intensities_are_written_above_both_rows(
    figures: list[Figure],
) -> None:
    before, _ = labelled()
    after = Scan(before.image[2:14] / 100, np.diag([2.0, 1.0, 1.5, 1.0]))

    draw_step(before, after, "step")

    above = [half.get_suptitle() for half in figures[0].subfigs]
    assert "before: 16×20×18 voxels of 2.00×1.00×1.50 mm · axes LAS" in above[0]
    assert "after: 12×20×18 voxels of 2.00×1.00×1.50 mm · axes RAS" in above[1]
    assert ["0 to 100" in above[0], "0 to 1" in above[1]] == [True, True]


def test_given_a_crop_when_drawn_then_both_rows_have_one_scale(figures: list[Figure]) -> None:
    before, _ = labelled()
    after = Scan(before.image[3:13, 4:16, 4:14], LAS)

    draw_step(before, after, "crop")

    frames = [[axes.get_xlim() for axes in half.axes[:3]] for half in figures[0].subfigs]
    assert frames[0] == frames[1]
    assert [high - low for low, high in frames[0]] == [20, 32, 32]


def test_given_steps_when_drawn_then_each_gets_its_figures_number() -> None:
    scan, _ = labelled()

    drawn = draw_preprocessing(scan, {"bias": (scan, scan), "resize": (scan, scan)}, scan)

    assert list(drawn) == ["3.1", "3.3", "3.9"]
    with pytest.raises(KeyError, match="unknown step"):
        draw_preprocessing(scan, {"unknown step": (scan, scan)}, scan)


@pytest.mark.parametrize("axis", [1, 2])
def test_given_an_array_that_runs_to_the_left_when_viewed_then_the_left_is_on_the_left(
    axis: int,
) -> None:
    scan, labels = labelled()

    painted = View(scan, labels).colours(labels)(axis)

    middle = painted[len(painted) // 2]
    found = [
        int(np.flatnonzero((middle == color_table()[k]).all(axis=1)).mean()) for k in (LEFT, RIGHT)
    ]
    assert found[0] < found[1]


def test_given_unequal_voxels_when_viewed_then_lengths_are_true() -> None:
    scan, labels = labelled()

    shapes = [View(scan, labels).image(axis).shape[:2] for axis in range(3)]

    # 16 × 2 mm, 20 × 1 mm, 18 × 1.5 mm at 3 pixels per mm, (height, width)
    assert shapes == [(81, 60), (81, 96), (60, 96)]


def test_given_a_wrong_prediction_when_viewed_then_only_the_difference_is_red() -> None:
    scan, labels = labelled()
    predicted = labels.copy()
    predicted[:, :, 4:9] = 0

    drawn = View(scan, labels).difference(labels, predicted)(1).astype(int)

    red = drawn[..., 0] - drawn[..., 1] > 100
    assert not red[: len(red) // 2].any()  # the upper half agrees
    assert red[len(red) // 2 :].any()
    agreed = View(scan, labels).difference(labels, labels)(1)
    np.testing.assert_array_equal(agreed, View(scan, labels).image(1))


def test_given_a_prediction_when_drawn_then_its_number_is_its_networks() -> None:
    scan, labels = labelled()

    assert list(draw_prediction(scan, labels, labels, "highresnet", 1.0)) == ["4.1"]
    (picture,) = draw_prediction(scan, labels, labels, "unet", 1.0).values()
    assert pixels(picture).shape[2] == 3
    assert list(draw_label(scan, labels)) == ["3.10", "3.11", "3.12"]


def test_given_labels_of_another_grid_when_drawn_then_it_is_refused() -> None:
    scan, labels = labelled()

    with pytest.raises(ValueError, match="differ"):
        draw_label(scan, labels[1:])


def test_given_an_image_of_one_value_when_drawn_then_a_picture_comes_out() -> None:
    flat = Scan(np.zeros((6, 7, 8)), np.eye(4))

    assert draw_step(flat, flat, "flat").startswith(b"\x89PNG")
    assert flat.middle() == (2, 3, 3)
