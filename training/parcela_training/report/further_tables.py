"""What the thesis does not tabulate: data sets, paired comparison, registration's noise, regions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import region, regions
from parcela_training.evaluation.record import Evaluation
from parcela_training.metrics.statistics import Summary, by_group, dead_regions, summarise
from parcela_training.report.cells import in_full, number, p_value, signed, spread
from parcela_training.report.comparisons import pairs
from parcela_training.report.document import Table
from parcela_training.report.record import ExperimentRecord
from parcela_training.report.tables import Row, evaluations

NO_EVALUATION = "no network of this run was evaluated."


def further_tables(record: ExperimentRecord) -> tuple[Table, ...]:
    """Tables A.1 to A.6, which the thesis does not have."""
    return (
        data_sets(record),
        comparison(record),
        noise(record),
        surfaces(record),
        dead(record),
        medians(record),
    )


def _evaluated(record: ExperimentRecord) -> list[tuple[str, Evaluation]]:
    return [(run.title, e) for _, run, e in evaluations(record) if run and e]


def data_sets(record: ExperimentRecord) -> Table:
    """Table A.1: each data set by itself."""
    rows = [
        (title, evaluation.reference, dataset, in_full(summary))
        for title, evaluation in _evaluated(record)
        for dataset, summary in by_group(evaluation.per_image, evaluation.datasets).items()
    ]
    columns = ("Network", "Labels", "Data set", "Mean Dice ± SD")
    caption = "Mean Dice of each data set, background counted"
    return Table("A.1", caption, columns, tuple(rows), missing=NO_EVALUATION)


def comparison(record: ExperimentRecord) -> Table:
    """Table A.2: the two networks compared."""
    rows, how = [], ""
    for pair in pairs(record):
        result = pair.result
        interval = f"{_points(result.low)} to {_points(result.high)}"
        difference = _points(result.mean_difference)
        first_minus_second = f"{pair.first} − {pair.second}"
        p = p_value(result.p_value)
        rows.append((first_minus_second, pair.reference, str(result.n), difference, interval, p))
        how = f" {result.resamples} resamples of the images, seed {result.seed}."
    return Table(
        "A.2",
        "Networks compared on the same images",
        ("Networks", "Labels", "Images", "Mean difference", "95 % interval", "Wilcoxon p"),
        tuple(rows),
        "Mean Dice of an image, in percent points. The interval is the bootstrap's, by percentiles;"
        " the test is the two-sided signed-rank test." + how,
        missing="no two networks were evaluated on the same images.",
    )


def _points(fraction: float) -> str:
    return signed(100 * fraction, 2)


def noise(record: ExperimentRecord) -> Table:
    """Table A.3: SyN's agreement with itself."""
    repeats = record.registration.repeat_dice if record.registration else ()
    rows: list[Row] = []
    if repeats:
        rows = [("Registration, run twice", "its own", in_full(summarise(np.array(repeats))))]
        rows += [
            (title, evaluation.reference, in_full(summarise(evaluation.per_image)))
            for title, evaluation in _evaluated(record)
        ]
    return Table(
        "A.3",
        "Agreement with the labels, and the labels' agreement with themselves",
        ("What", "Labels", "Mean Dice ± SD"),
        tuple(rows),
        missing="no registration of this run was repeated.",
    )


def surfaces(record: ExperimentRecord) -> Table:
    """Table A.4: surface distances."""
    rows = [
        (title, e.reference, _distance(e.hausdorff95_mm), _distance(e.average_surface_mm))
        for title, e in _evaluated(record)
        if e.hausdorff95_mm is not None and e.average_surface_mm is not None
    ]
    return Table(
        "A.4",
        "Distance between the regions' surfaces",
        ("Network", "Labels", "Hausdorff 95 % [mm]", "Average, symmetric [mm]"),
        tuple(rows),
        "Per image the mean over the regions that both maps hold, then mean ± SD over images. A "
        "region that a network missed has no surface and does not count here: its Dice is 0.",
        missing="surface distances were not measured.",
    )


def _distance(per_region: NDArray[np.float64]) -> str:
    return spread(surface_summary(per_region), 2)


def surface_summary(per_region: NDArray[np.float64]) -> Summary | None:
    """Over images, of the mean over the regions present, from (n, 117) mm; None where none is."""
    measured = per_region[~np.isnan(per_region).all(axis=1)]
    return summarise(np.nanmean(measured, axis=1)) if measured.size else None


def dead(record: ExperimentRecord) -> Table:
    """Table A.5: regions whose median Dice is 0."""
    rows = []
    for title, evaluation in _evaluated(record):
        ids = dead_regions(evaluation.medians)
        names = ", ".join(region(index).name for index in ids) or "none"
        rows.append((title, evaluation.reference, str(len(ids)), names))
    return Table(
        "A.5",
        "Regions with a median Dice of 0",
        ("Network", "Labels", "How many", "Which"),
        tuple(rows),
        missing=NO_EVALUATION,
    )


def medians(record: ExperimentRecord) -> Table:
    """Table A.6, of each network's first evaluation."""
    first = [(run.title, run.evaluations[0]) for run in record.all_networks if run.evaluations]
    values = [evaluation.medians for _, evaluation in first]
    columns = tuple(f"{title}, {evaluation.reference} labels" for title, evaluation in first)
    rows = tuple(
        (
            str(row_region.index),
            row_region.name,
            *(number(network_medians[row_region.index], 4) for network_medians in values),
        )
        for row_region in regions()
    )
    return Table(
        "A.6",
        "Median Dice of each region over the images",
        ("Id", "Region", *columns),
        rows if first else (),
        "A region that no label holds is missing.",
        missing=NO_EVALUATION,
    )
