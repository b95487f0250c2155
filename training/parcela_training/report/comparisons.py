"""Networks compared on the same images, within a run or between two runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np

from parcela_training.evaluation.record import Evaluation
from parcela_training.metrics.statistics import Comparison, compare
from parcela_training.report.record import ExperimentRecord, NetworkRecord


@dataclass(frozen=True, slots=True)
class Pair:
    """Two networks, by title, against the same labels: the first's mean Dice minus the second's."""

    first: str
    second: str
    reference: str
    result: Comparison


def pairs(record: ExperimentRecord) -> Iterator[Pair]:
    """Every two networks of a run that were evaluated on common images against the same labels."""
    for one, two in combinations(record.all_networks, 2):
        for first, second in product(one.evaluations, two.evaluations):
            result = paired(first, second) if first.reference == second.reference else None
            if result:
                yield Pair(one.title, two.title, first.reference, result)


def paired(first: Evaluation, second: Evaluation) -> Comparison | None:
    """Mean Dice of the images that both have, matched by name; None where they share none."""
    common = sorted(set(first.images) & set(second.images))
    if not common:
        return None
    values = []
    for evaluation in (first, second):
        place = {image: index for index, image in enumerate(evaluation.images)}
        values.append(evaluation.per_image[np.array([place[image] for image in common])])
    return compare(*values)


def side_by_side(
    first: ExperimentRecord, second: ExperimentRecord, names: tuple[str, str]
) -> ExperimentRecord:
    """The first run with the second's networks beside its own, each marked with its run's name.

    The report of what comes back compares the two runs.
    """
    first_networks = _marked(first.all_networks, names[0])
    second_networks = _marked(second.all_networks, names[1])
    remarks = [
        f"{name}: preset {run.preset}, {run.cohort}, {run.hardware}."
        for name, run in zip(names, (first, second), strict=True)
    ]
    for name, run in zip(names, (first, second), strict=True):
        remarks += [f"{name}: {remark}" for remark in run.remarks]
    return replace(first, networks=first_networks, beside=second_networks, remarks=tuple(remarks))


def _marked(networks: tuple[NetworkRecord, ...], name: str) -> tuple[NetworkRecord, ...]:
    return tuple(
        replace(run, origin=f"{name}, {run.origin}" if run.origin else name) for run in networks
    )
