"""Intervals, paired comparison and ranking; what the thesis's tables imply of one another."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from parcela.atlas.aal import CLASS_COUNT
from parcela.options import Network
from parcela_training import thesis
from parcela_training.metrics.statistics import (
    best_regions,
    bootstrap_interval,
    by_group,
    compare,
    dead_regions,
    interval,
    region_medians,
    summarise,
    worst_regions,
)


@pytest.mark.parametrize(
    ("network", "sd", "printed"), [("highresnet", 0.0895, 0.09), ("unet", 0.0790, 0.08)]
)
def test_given_table_4_2_when_its_sd_is_recovered_then_it_rounds_to_table_4_1s(
    network: Network, sd: float, printed: float
) -> None:
    published = thesis.PUBLISHED[network]

    assert published.implied_sd_dice == pytest.approx(sd, abs=5e-5)
    assert round(published.implied_sd_dice, 2) == published.sd_dice == printed


@pytest.mark.parametrize("network", ["highresnet", "unet"])
def test_given_table_4_1_and_that_sd_when_our_formula_is_used_then_table_4_2_comes_out(
    network: Network,
) -> None:
    published = thesis.PUBLISHED[network]

    ends = interval(published.mean_dice_percent, 100 * published.implied_sd_dice, 200)

    assert ends == pytest.approx(published.interval_percent, abs=0.006)  # printed to 0.01


def test_given_images_with_the_theses_mean_and_sd_when_summarised_then_its_interval_comes_out() -> (
    None
):
    values = np.random.default_rng(4).normal(size=200)
    values = 0.8164 + 0.0895 * (values - values.mean()) / values.std(ddof=1)

    found = summarise(values)

    assert (found.n, found.mean, found.sd) == pytest.approx((200, 0.8164, 0.0895))
    assert f"{100 * found.low:.2f} – {100 * found.high:.2f}" == "80.40 – 82.88"


def test_given_the_theses_times_when_divided_then_its_factors_come_out() -> None:
    assert round(thesis.HIGHRESNET.times_faster) == thesis.TIMES_FASTER == 196
    assert round(thesis.UNET.times_faster) == 127
    assert thesis.UNET.training_s_per_image == pytest.approx(0.022, abs=5e-4)


def test_given_four_values_when_summarised_then_the_sd_divides_by_three() -> None:
    found = summarise(np.array([1.0, 2.0, 3.0, 6.0]))

    assert found.sd == pytest.approx(math.sqrt(14 / 3))
    halfwidth = 1.96 * math.sqrt(14 / 3) / 2
    assert (found.low, found.high) == pytest.approx((3 - halfwidth, 3 + halfwidth))
    assert thesis.implied_sd(found.low, found.high, 4) == pytest.approx(found.sd)


def test_given_one_value_when_summarised_then_its_spread_is_unknown() -> None:
    found = summarise(np.array([0.8]))

    assert (found.n, found.mean) == (1, 0.8)
    assert all(map(math.isnan, (found.sd, found.low, found.high)))


@pytest.mark.parametrize("values", [[], [0.5, math.nan], [math.inf]])
def test_given_no_value_or_a_missing_one_when_summarised_then_it_is_refused(
    values: list[float],
) -> None:
    with pytest.raises(ValueError, match="finite"):
        summarise(np.array(values))


def test_given_two_data_sets_when_grouped_then_each_has_its_own_summary() -> None:
    found = by_group(np.array([0.1, 0.2, 0.9]), ["b", "b", "a"])

    assert list(found) == ["a", "b"]
    assert (found["a"].n, found["b"].n, found["b"].mean) == pytest.approx((1, 2, 0.15))


def test_given_a_network_better_on_every_image_when_compared_then_both_ways_say_so() -> None:
    second = np.linspace(0.6, 0.9, 12)
    first = second + np.linspace(0.01, 0.03, 12)

    found = compare(first, second)

    assert found.mean_difference == pytest.approx(0.02)
    assert 0.01 < found.low < 0.02 < found.high < 0.03
    assert found.p_value == pytest.approx(2 / 2**12)  # all of 12 signs alike, either way


def test_given_the_networks_swapped_when_compared_then_only_the_sign_changes() -> None:
    draw = np.random.default_rng(0)
    first, second = draw.random(15), draw.random(15)

    one, two = compare(first, second), compare(second, first)

    assert one.mean_difference == -two.mean_difference
    assert one.p_value == two.p_value
    assert (one.low, one.high) == pytest.approx((-two.high, -two.low))


def test_given_a_network_and_itself_when_compared_then_nothing_differs() -> None:
    values = np.array([0.2, 0.4])

    found = compare(values, values)

    assert (found.mean_difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_given_other_images_when_compared_then_it_is_refused() -> None:
    with pytest.raises(ValueError, match="paired"):
        compare(np.zeros(3), np.zeros(4))


def test_given_a_seed_when_resampled_then_it_repeats_and_another_differs() -> None:
    values = np.random.default_rng(1).normal(size=30)

    assert bootstrap_interval(values, 500, 7) == bootstrap_interval(values, 500, 7)
    assert bootstrap_interval(values, 500, 7) != bootstrap_interval(values, 500, 8)


def test_given_many_values_when_resampled_then_the_interval_nears_the_normal_one() -> None:
    values = np.random.default_rng(2).normal(size=400)

    low, high = bootstrap_interval(values, 4000, 0)

    found = summarise(values)
    assert (low, high) == pytest.approx((found.low, found.high), abs=0.015)


def test_given_absent_regions_when_medians_are_taken_then_they_are_left_out_in_silence() -> None:
    dice = np.full((3, CLASS_COUNT), np.nan)
    dice[:, 1] = [0.2, np.nan, 0.6]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        medians = region_medians(dice)

    assert medians[1] == pytest.approx(0.4)
    assert np.isnan(np.delete(medians, 1)).all()


def test_given_ties_when_ranked_then_the_lower_id_comes_first_and_the_background_never() -> None:
    medians = np.full(CLASS_COUNT, 0.5)
    medians[0], medians[9], medians[100], medians[40], medians[41] = 1.0, 0.9, 0.9, 0.1, np.nan

    assert best_regions(medians) == (9, 100, 1, 2, 3)
    assert worst_regions(medians) == (40, 1, 2, 3, 4)
    assert 41 not in worst_regions(medians, 116)
    assert len(worst_regions(medians, 116)) == 115


def test_given_medians_of_zero_when_listed_then_neither_background_nor_absent_ones_are() -> None:
    medians = np.full(CLASS_COUNT, 0.5)
    medians[[0, 35, 116]], medians[36] = 0, np.nan

    assert dead_regions(medians) == (35, 116)
