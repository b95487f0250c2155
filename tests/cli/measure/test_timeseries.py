"""Regions over time: nilearn's signals in 116 columns, cleaned, and their correlations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from parcela.atlas.aal import regions
from parcela.errors import BadRequest
from parcela.imaging.geometry import Geometry
from parcela_cli.measure.label_maps import LabelMap
from parcela_cli.measure.timeseries import (
    cleaned,
    correlation,
    read_confounds,
    regional_series,
    write_matrix_picture,
)

GRID = Geometry.of_grid((6, 4, 4), np.diag([3.0, 3.0, 3.0, 1.0]))
TIMES = 40


def two_regions() -> tuple[LabelMap, np.ndarray]:
    """Regions 3 and 50 with opposite sines, a trend in both."""
    labels = np.zeros(GRID.shape, np.uint16)
    labels[:3], labels[3:] = 3, 50
    wave = np.sin(np.arange(TIMES) / 3)
    image = np.zeros((*GRID.shape, TIMES))
    image[:3], image[3:] = 100 + wave, 200 - wave
    return LabelMap(labels, GRID), image + np.arange(TIMES)


def test_given_a_series_then_each_region_has_a_column_and_the_missing_have_nothing() -> None:
    label_map, image = two_regions()
    series = regional_series(label_map, image, GRID)
    assert list(series.columns) == [region.name for region in regions()]
    assert series["Frontal_Sup_L"].to_numpy() == pytest.approx(image[0, 0, 0])
    assert series.notna().all().sum() == 2


def test_given_a_trend_when_cleaned_then_opposite_regions_are_opposite() -> None:
    label_map, image = two_regions()
    series = regional_series(label_map, image, GRID)
    matrix = correlation(cleaned(series))
    left, right = regions()[2].name, regions()[49].name
    assert correlation(series).loc[left, right] > 0.9  # the trend alone
    assert matrix.loc[left, right] == pytest.approx(-1)
    assert matrix.shape == (116, 116)
    assert np.isnan(matrix.loc[left, regions()[0].name])


def test_given_confounds_or_a_band_that_do_not_fit_then_it_is_refused(tmp_path: Path) -> None:
    series = regional_series(*two_regions(), GRID)
    with pytest.raises(BadRequest, match="7 rows, the image 40 volumes"):
        cleaned(series, confounds=np.ones((7, 2)))
    with pytest.raises(BadRequest, match="needs the repetition time"):
        cleaned(series, low_pass_hz=0.1)
    with pytest.raises(
        BadRequest, match=r"12 volumes cannot be filtered to a band from 0.01 to 0.1 Hz"
    ):
        cleaned(series[:12], high_pass_hz=0.01, low_pass_hz=0.1, repetition_s=2.0)
    with pytest.raises(
        BadRequest, match=r"40 volumes cannot be filtered to a band from 0.1 to 0.01"
    ):
        cleaned(series, high_pass_hz=0.1, low_pass_hz=0.01, repetition_s=2.0)
    (tmp_path / "confounds.tsv").write_text("x\ty\n1\tn/a\n2\t3\n")
    assert read_confounds(tmp_path / "confounds.tsv").tolist() == [[1, 0], [2, 3]]
    (tmp_path / "words.tsv").write_text("x\nhead\n")
    with pytest.raises(BadRequest, match="not a table of confounds"):
        read_confounds(tmp_path / "words.tsv")


def test_given_a_confound_that_explains_the_signal_when_cleaned_then_nothing_is_left() -> None:
    series = regional_series(*two_regions(), GRID)
    wave = np.sin(np.arange(TIMES) / 3)[:, None]
    rest = cleaned(series, confounds=wave, repetition_s=2.0)
    assert np.abs(rest["Frontal_Sup_L"]).max() < 1e-9


def test_given_a_matrix_when_drawn_then_there_is_a_picture_with_both_colours(
    tmp_path: Path,
) -> None:
    series = regional_series(*two_regions(), GRID)
    write_matrix_picture(tmp_path / "r.png", correlation(cleaned(series)), "two regions")
    pixels = np.asarray(Image.open(tmp_path / "r.png").convert("RGB")).reshape(-1, 3).astype(int)
    red, blue = pixels[:, 0] - pixels[:, 2], pixels[:, 2] - pixels[:, 0]
    assert (red > 80).any()
    assert (blue > 80).any()
