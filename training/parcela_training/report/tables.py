"""Tables 3.1, 4.1, 4.2 and 4.3: the thesis's values and this run's, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from parcela_training.evaluation.record import Evaluation
from parcela_training.metrics.statistics import DDOF, Summary, summarise
from parcela_training.report.cells import (
    MISSING,
    as_printed,
    brief,
    in_full,
    number,
    percent_interval,
    spread,
)
from parcela_training.report.document import Table
from parcela_training.report.record import ExperimentRecord, NetworkRecord
from parcela_training.thesis import (
    HARDWARE,
    HIGHRESNET,
    PUBLISHED,
    REGISTRATION_S,
    TEST_IMAGES,
    TIMES_FASTER,
    UNET,
    Published,
)

Row = tuple[str, ...]


def main_tables(record: ExperimentRecord) -> tuple[Table, ...]:
    """The four tables of the thesis in its order."""
    return training(record), mean_dice(record), intervals(record), times(record)


def runs(record: ExperimentRecord) -> Iterator[tuple[Published, NetworkRecord | None]]:
    """The networks in the thesis's order; a kind that the run lacks comes once, without a run."""
    for network, published in PUBLISHED.items():
        networks = [run for run in record.all_networks if run.network == network]
        yield from ((published, run) for run in networks)
        if not networks:
            yield published, None


def evaluations(
    record: ExperimentRecord,
) -> Iterator[tuple[Published, NetworkRecord | None, Evaluation | None]]:
    """Likewise, once for each evaluation of a network; without one where there is none."""
    for published, run in runs(record):
        evaluated = run.evaluations if run else ()
        yield from ((published, run, evaluation) for evaluation in evaluated or (None,))


def name(published: Published, run: NetworkRecord | None) -> str:
    """The network as its row is called."""
    return run.title if run else published.title


def training(record: ExperimentRecord) -> Table:
    """Table 3.1: training time and epochs."""
    return Table(
        "3.1",
        "Training time and epochs reached",
        (
            "Network",
            "Thesis [h]",
            "This run [h]",
            "Thesis, epochs",
            "This run, epochs",
            "Thesis [s per training image]",
            "This run [s per training image]",
        ),
        tuple(_training_row(published, run) for published, run in runs(record)),
        f"Thesis: {HARDWARE}. This run: {record.hardware}. Seconds per training image are derived: "
        "hours over epochs and images, validation included.",
    )


def _training_row(published: Published, run: NetworkRecord | None) -> Row:
    epochs = MISSING
    if run and run.epochs_reached is not None:
        epochs = brief(run.epochs_reached)
        epochs += f" of {brief(run.epochs_planned)}" if run.epochs_planned is not None else ""
    return (
        name(published, run),
        brief(published.training_hours),
        brief(run.training_hours if run else None),
        str(published.epochs_reached),
        epochs,
        number(published.training_s_per_image, 3),
        brief(run.training_s_per_image if run else None),
    )


def mean_dice(record: ExperimentRecord) -> Table:
    """Table 4.1: mean Dice and its SD."""
    absent: dict[str, int] = {}
    for _, _, evaluation in evaluations(record):
        if evaluation:
            absent[evaluation.reference] = max(
                evaluation.absent, absent.get(evaluation.reference, 0)
            )
    lacking = ", ".join(f"{count} among {labels} labels" for labels, count in absent.items())
    return Table(
        "4.1",
        "Mean Dice ± SD over the images",
        (
            "Network",
            "Labels",
            "Thesis, as printed",
            "This run, same form",
            "This run, in full",
            "This run, background not counted",
        ),
        tuple(_dice_row(*row) for row in evaluations(record)),
        "Per image the mean of the Dice of 117 classes, background counted. The thesis prints the "
        "mean in percent and the SD as a rounded fraction: its Table 4.2 implies SDs of "
        f"{HIGHRESNET.implied_sd_dice:.4f} (HighResNet) and {UNET.implied_sd_dice:.4f} (U-Net). "
        f"Our SD is divided by n − {DDOF}. A region that an image's label lacks is left out of that "
        f"image's mean; so absent: {lacking or 'no label was compared'}.",
    )


def _dice_row(
    published: Published, run: NetworkRecord | None, evaluation: Evaluation | None
) -> Row:
    printed = as_printed(published.mean_dice_percent, published.sd_dice)
    if evaluation is None:
        return (name(published, run), MISSING, printed, MISSING, MISSING, MISSING)
    with_background = summarise(evaluation.per_image)
    return (
        name(published, run),
        evaluation.reference,
        printed,
        as_printed(100 * with_background.mean, with_background.sd),
        in_full(with_background),
        in_full(summarise(evaluation.per_image_without_background)),
    )


def intervals(record: ExperimentRecord) -> Table:
    """Table 4.2: the 95 % interval of the mean Dice."""
    return Table(
        "4.2",
        "95 % interval of the mean Dice, in percent",
        ("Network", "Labels", "Thesis", "SD it implies", "This run", "SD", "Images"),
        tuple(_interval_row(*row) for row in evaluations(record)),
        f"mean ± 1.96 · SD / √n; the thesis has n = {TEST_IMAGES}. SDs are in percent points.",
    )


def _interval_row(
    published: Published, run: NetworkRecord | None, evaluation: Evaluation | None
) -> Row:
    printed = percent_interval(*published.interval_percent)
    implied = f"{100 * published.implied_sd_dice:.2f}"
    if evaluation is None:
        return (name(published, run), MISSING, printed, implied, MISSING, MISSING, MISSING)
    summary = summarise(evaluation.per_image)
    ours = percent_interval(100 * summary.low, 100 * summary.high)
    sd = "n/a" if summary.n == 1 else f"{100 * summary.sd:.2f}"
    return (name(published, run), evaluation.reference, printed, implied, ours, sd, str(summary.n))


def times(record: ExperimentRecord) -> Table:
    """Table 4.3: seconds per prediction, beside registration."""
    registration = registration_seconds(record)
    where = record.registration.hardware if record.registration else ""
    ours = f"{spread(registration, 2)} s" if registration else MISSING
    return Table(
        "4.3",
        "Seconds per prediction, and how many times faster than registration",
        (
            "Network",
            f"Thesis [s], {HARDWARE}",
            "This run [s]",
            "This run, by MONAI alone [s]",
            "Thesis, times faster",
            "This run, times faster",
        ),
        tuple(_times_row(published, run, registration) for published, run in runs(record)),
        f"Predictions of this run on: {record.hardware}. By MONAI alone: the same network's own forward pass in "
        "float32 and an arg-max, on some of the images. Registration: "
        f"{REGISTRATION_S:g} s in the thesis, {ours} in this run{f' on {where}' if where else ''}. All are "
        "wall-clock: where other work shared the machine, ratios say more than seconds. The thesis prints "
        f"{TIMES_FASTER} times, which is HighResNet's; U-Net's is derived.",
    )


def _times_row(
    published: Published, run: NetworkRecord | None, registration: Summary | None
) -> Row:
    seconds = prediction_seconds(run)
    faster = registration.mean / seconds.mean if registration and seconds else None
    return (
        name(published, run),
        f"{published.prediction_s:.3f} ± {published.prediction_sd_s:.3f}",
        spread(seconds, 3),
        spread(monai_seconds(run), 3),
        number(published.times_faster, 0),
        brief(faster),
    )


def prediction_seconds(run: NetworkRecord | None) -> Summary | None:
    """Of a network's first evaluation that was timed; images without a time are left out."""
    return _seconds([evaluation.seconds for evaluation in run.evaluations] if run else [])


def monai_seconds(run: NetworkRecord | None) -> Summary | None:
    """Likewise of MONAI's own forward pass."""
    return _seconds([evaluation.monai_seconds for evaluation in run.evaluations] if run else [])


def _seconds(measured: Iterable[NDArray[np.float64] | None]) -> Summary | None:
    for values in measured:
        timed = values[~np.isnan(values)] if values is not None else np.empty(0)
        if timed.size:
            return summarise(timed)
    return None


def registration_seconds(record: ExperimentRecord) -> Summary | None:
    """Of the run's registrations, None where none was timed."""
    if not (record.registration and record.registration.seconds):
        return None
    return summarise(np.array(record.registration.seconds))
