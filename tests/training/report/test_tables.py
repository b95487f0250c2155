"""The tables: the thesis's values as printed, this run's from its record, what is missing said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parcela_training.metrics.statistics import Summary
from parcela_training.report import cells
from parcela_training.report.document import Table
from parcela_training.report.further_tables import (
    comparison,
    data_sets,
    dead,
    further_tables,
    medians,
    noise,
    surfaces,
)
from parcela_training.report.record import ExperimentRecord
from parcela_training.report.tables import intervals, main_tables, mean_dice, times, training


def column(table: Table, name: str) -> list[str]:
    place = table.columns.index(name)
    return [row[place] for row in table.rows]


def test_given_a_run_when_tabled_then_the_theses_values_are_printed_as_published(
    record: ExperimentRecord,
) -> None:
    assert column(training(record), "Thesis [h]") == ["37", "0.31"]
    assert column(training(record), "Thesis, epochs") == ["150", "43"]
    assert column(training(record), "Thesis [s per training image]") == ["0.740", "0.022"]
    printed = ["81.64 ± 0.09"] * 2 + ["83.13 ± 0.08"] * 2
    assert column(mean_dice(record), "Thesis, as printed") == printed
    ends = ["80.40 – 82.88"] * 2 + ["82.04 – 84.23"] * 2
    assert column(intervals(record), "Thesis") == ends
    assert column(intervals(record), "SD it implies") == ["8.95"] * 2 + ["7.90"] * 2
    seconds = ["0.051 ± 0.001", "0.079 ± 0.013"]
    assert column(times(record), "Thesis [s], RTX 4090") == seconds
    assert column(times(record), "Thesis, times faster") == ["196", "127"]


def test_given_a_run_when_tabled_then_its_own_values_come_from_its_record(
    record: ExperimentRecord,
) -> None:
    unet = record.networks[1].evaluations[0]
    values = 100 * unet.per_image
    mean, sd = values.mean(), values.std(ddof=1)
    half = 1.96 * sd / np.sqrt(12)

    assert column(mean_dice(record), "This run, same form")[2] == f"{mean:.2f} ± {sd / 100:.2f}"
    in_full = column(mean_dice(record), "This run, in full")[2]
    assert in_full == f"{mean:.2f} % ± {sd:.2f} points (n = 12)"
    assert column(intervals(record), "This run")[2] == f"{mean - half:.2f} – {mean + half:.2f}"
    assert column(training(record), "This run [h]") == ["0.5", "0.5"]
    assert column(training(record), "This run, epochs") == ["24 of 150"] * 2
    assert column(training(record), "This run [s per training image]") == ["1.88", "1.88"]
    faster = float(column(times(record), "This run, times faster")[1])
    assert faster == pytest.approx(24 / unet.seconds.mean(), rel=0.01)
    assert column(times(record), "This run, by MONAI alone [s]") == ["13.000 ± 1.414"] * 2


def test_given_labels_that_lack_regions_when_tabled_then_the_note_counts_them(
    record: ExperimentRecord,
) -> None:
    assert "1 among opened labels, 1 among unopened labels" in mean_dice(record).note


def test_given_an_empty_run_when_tabled_then_it_says_missing_and_gives_no_number(
    empty: ExperimentRecord,
) -> None:
    for table in main_tables(empty):
        assert [row[0] for row in table.rows] == ["HighResNet", "U-Net"]
        for name in table.columns:
            if name.startswith("This run"):
                assert column(table, name) == ["missing", "missing"]
    for table in further_tables(empty):
        assert table.rows == ()
        assert table.missing


def test_given_one_network_only_when_tabled_then_the_other_is_missing(
    record: ExperimentRecord,
) -> None:
    alone = replace(record, networks=record.networks[1:], registration=None)

    assert column(intervals(alone), "This run")[0] == "missing"
    assert column(intervals(alone), "This run")[1] != "missing"
    assert column(times(alone), "This run, times faster") == ["missing", "missing"]
    assert comparison(alone).rows == ()


def test_given_shipped_weights_when_tabled_then_they_stand_beside_the_runs_own(
    record: ExperimentRecord,
) -> None:
    shipped = replace(record.networks[1], origin="shipped weights", training_hours=None)
    both = replace(record, beside=(shipped,))

    assert [row[0] for row in training(both).rows] == [
        "HighResNet",
        "U-Net",
        "U-Net (shipped weights)",
    ]
    assert column(training(both), "This run [h]") == ["0.5", "0.5", "missing"]
    assert len(comparison(both).rows) == 6


def test_given_one_image_when_tabled_then_its_spread_is_not_available(
    record: ExperimentRecord,
) -> None:
    whole = record.networks[0].evaluations[0]
    single = replace(
        whole,
        images=whole.images[:1],
        datasets=whole.datasets[:1],
        dice=whole.dice[:1],
        seconds=np.array([np.nan]),
        monai_seconds=None,
    )
    run = replace(record, networks=(replace(record.networks[0], evaluations=(single,)),))

    assert column(intervals(run), "This run")[0] == "n/a – n/a"
    assert column(mean_dice(run), "This run, same form")[0].endswith("± n/a")
    assert column(times(run), "This run [s]")[0] == "missing"


def test_given_a_dead_region_when_tabled_then_it_is_named(record: ExperimentRecord) -> None:
    assert [row[2:] for row in dead(record).rows] == [("1", "Vermis_3")] * 2 + [("0", "none")] * 2
    row = medians(record).rows[109]
    assert row[:3] == ("110", "Vermis_3", "0.0000")
    assert float(row[3]) > 0.5


def test_given_two_data_sets_when_tabled_then_each_has_its_row(record: ExperimentRecord) -> None:
    assert [row[2] for row in data_sets(record).rows[:2]] == ["made-up A", "made-up B"]
    assert [row[3].split("(")[1] for row in data_sets(record).rows[:2]] == ["n = 7)", "n = 5)"]


def test_given_repeated_registrations_when_tabled_then_their_agreement_comes_first(
    record: ExperimentRecord,
) -> None:
    assert noise(record).rows[0][2] == "98.60 % ± 0.14 points (n = 2)"
    assert len(noise(record).rows) == 5


def test_given_surface_distances_when_tabled_then_absent_surfaces_do_not_count(
    record: ExperimentRecord,
) -> None:
    distances = np.full((12, 117), np.nan)
    distances[:6, 1:3] = [2.0, 4.0]
    evaluation = replace(
        record.networks[0].evaluations[0],
        hausdorff95_mm=distances,
        average_surface_mm=distances / 4,
    )
    run = replace(record, networks=(replace(record.networks[0], evaluations=(evaluation,)),))

    assert surfaces(run).rows == (("HighResNet", "opened", "3.00 ± 0.00", "0.75 ± 0.00"),)
    assert surfaces(record).rows == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [(37, "37"), (0.31, "0.31"), (1234.6, "1235"), (0.002164, "0.00216"), (150, "150"), (0, "0")],
)
def test_given_a_number_when_shortened_then_three_digits_stay(value: float, text: str) -> None:
    assert cells.brief(value) == text


def test_given_the_theses_summary_when_printed_then_both_forms_are_as_stated() -> None:
    found = Summary(200, 0.8164, 0.08947, 0.804, 0.8288)

    assert cells.as_printed(100 * found.mean, found.sd) == "81.64 ± 0.09"
    assert cells.in_full(found) == "81.64 % ± 8.95 points (n = 200)"
    assert cells.p_value(0.00004) == "< 0.0001"
    assert cells.p_value(0.03125) == "0.0312"
