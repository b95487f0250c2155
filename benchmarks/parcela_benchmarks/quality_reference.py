"""The reference of the quality verdict, from the prepared training images and the networks' runs on validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import parcela.quality.reference as shipped
from parcela.atlas.counts import RegionCounts
from parcela.files import write_text
from parcela.options import Network
from parcela.quality.measures import block_means, image_numbers, log_shares
from parcela.quality.reference import THOUSANDTHS, Reference, Usual, UsualCertainty
from parcela.weights.cards import read_card
from parcela_benchmarks.quality_runs import JUDGED, Case, Run
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet

Floats = NDArray[np.float64]

RIDGE = 0.3  # of the mean square of an image's asymmetry: chosen on the training images alone, each left out in turn
FILE = Path(shipped.__file__).parent / "data" / "reference.json"


def write_reference(prepared: PreparedSet, work: Path) -> None:
    """Measure the training images, and write the file that ships."""
    coarse, outlines, asymmetries, shares = [], [], [], []
    for file in prepared.files("train"):
        one = PreparedImage.load(file)
        image = one.image.astype(np.float32)
        coarse.append(block_means(image))
        outlines.append(block_means((image > 0).astype(np.float32)))
        asymmetries.append((coarse[-1] - block_means(image[::-1])).ravel())
        shares.append(log_shares(RegionCounts.of(one.label)))
    reference = Reference(
        made_from=f"{prepared.record['cohort']}: the training images, with opened bronze labels; "
        "certainty: the validation images",
        images=len(coarse),
        numbers={},
        log_shares=tuple(_usual(column) for column in np.array(shares).T),
        certainty={network: _certainty(network, prepared, work) for network in JUDGED},
        coarse_shape=coarse[0].shape,
        coarse_image=_thousandths(np.mean(coarse, 0)),
        coarse_outline=_thousandths(np.mean(outlines, 0)),
        sidedness=_thousandths(_discriminant(np.array(asymmetries))),
    )
    files = map(PreparedImage.load, prepared.files("train"))
    rows = [image_numbers(one.image.astype(np.float32), one.affine, reference) for one in files]
    numbers = {name: _usual(np.array([row[name] for row in rows])) for name in rows[0]}
    FILE.parent.mkdir(exist_ok=True)
    write_text(FILE, reference.model_copy(update={"numbers": numbers}).to_json() + "\n")


def _usual(values: Floats) -> Usual:
    return Usual(mean=round(float(values.mean()), 5), sd=round(float(values.std(ddof=1)), 5))


def _thousandths(values: Floats) -> tuple[int, ...]:
    return tuple(np.rint(values.ravel() * THOUSANDTHS).astype(int).tolist())


def _discriminant(asymmetries: Floats) -> Floats:
    """Ridge regression of 1 on the images' asymmetries: mirrored ones, their negatives, give -1 by themselves.

    Args:
        asymmetries: (n, blocks), left minus right.
    """
    products = asymmetries @ asymmetries.T
    count = len(products)
    ridge = RIDGE * np.trace(products) / count * np.eye(count)
    weights = np.linalg.solve(products + ridge, np.ones(count))
    return np.asarray(asymmetries.T @ weights)


def _certainty(network: Network, prepared: PreparedSet, work: Path) -> UsualCertainty:
    runs = [Run.load(work / Case(name, "val").file) for name in prepared.ids("val")]
    usual = _usual(np.array([run.certainty[network] for run in runs]))
    return UsualCertainty(mean=usual.mean, sd=usual.sd, sha256=read_card(network).sha256)
