"""The volumes of regions that a method gives, beside those of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr

from parcela.atlas.aal import regions
from parcela.atlas.counts import RegionCounts
from parcela_training.journal import Row
from parcela_training.metrics.measures import Labels
from parcela_training.metrics.statistics import Summary, summarise
from parcela_training.report.cells import MISSING
from parcela_training.report.document import Table

Floats = NDArray[np.float64]

FEWEST = 3  # people that a correlation needs


def region_mm3(labels: Labels, affine: Floats) -> Floats:
    """(116,) mm³ of each region of a map, (X, Y, Z) uint8, on a grid with this (4, 4) affine."""
    voxel = abs(float(np.linalg.det(affine[:3, :3])))
    return RegionCounts.of(labels).by_region.astype(np.float64) * voxel


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Volumes of a method against the labels'.

    Attributes:
        bias: of each image's mean over regions of (found − label) / label.
        error: of each image's mean over regions of |found − label| / label.
        region_bias: (116,) median over people of (found − label) / label.
        volume_r: (116,) Pearson's r over people, between the two volumes.
        share_r: (116,) the same of each region's share of all regions, which the size of the head does not raise.

    A region that a label lacks is left out of that image; one that some label lacks has no r: NaN.
    """

    bias: Summary
    error: Summary
    region_bias: Floats
    volume_r: Floats
    share_r: Floats


def agreement(predicted: Floats, label: Floats) -> Agreement:
    """Of (n, 116) mm³ by the method and by the labels.

    Raises:
        ValueError: fewer than ``FEWEST`` people.
    """
    if len(label) < FEWEST:
        raise ValueError(f"{len(label)} people are too few for a correlation")
    relative = np.full(label.shape, np.nan)
    np.divide(predicted - label, label, out=relative, where=label > 0)
    share, label_share = (each / each.sum(1, keepdims=True) for each in (predicted, label))
    return Agreement(
        summarise(np.nanmean(relative, axis=1)),
        summarise(np.nanmean(abs(relative), axis=1)),
        np.nanmedian(relative, axis=0),
        _correlations(predicted, label),
        _correlations(share, label_share),
    )


def _correlations(predicted: Floats, label: Floats) -> Floats:
    usable = (label > 0).all(0) & (np.ptp(predicted, axis=0) > 0) & (np.ptp(label, axis=0) > 0)
    r = np.full(usable.shape, np.nan)
    r[usable] = pearsonr(predicted[:, usable], label[:, usable], axis=0).statistic
    return r


def record(agreed: Agreement) -> Row:
    """As plain values: what the table prints, and what it sums up of every region."""
    names = [region.name for region in regions()]
    return {
        "bias": [agreed.bias.mean, agreed.bias.sd],
        "error": [agreed.error.mean, agreed.error.sd],
        "region_bias": _by_name(names, agreed.region_bias),
        "volume_r": _by_name(names, agreed.volume_r),
        "share_r": _by_name(names, agreed.share_r),
    }


def _by_name(names: Sequence[str], values: Floats) -> dict[str, float | None]:
    return {
        name: None if np.isnan(value) else round(float(value), 3)
        for name, value in zip(names, values, strict=True)
    }


def table(rows: Sequence[Row], part: str) -> Table:
    """A row for each of the accuracy table's rows that knows its volumes."""
    cells = tuple(
        (
            row["method"],
            str(row["images"]),
            _percent(row["volumes"]["bias"], signed=True),
            _percent(row["volumes"]["error"]),
            _middle_and_most(row["volumes"]["region_bias"]),
            _spread_of(row["volumes"]["volume_r"]),
            _spread_of(row["volumes"]["share_r"]),
        )
        for row in rows
        if row.get("volumes")
    )
    return Table(
        "1b",
        f"Volumes of the regions, beside the opened labels' of the {part} images",
        (
            "Method",
            "Images",
            "Bias, %",
            "Error, %",
            "Bias by region, %",
            "r of volumes",
            "r of shares",
        ),
        cells,
        "Bias and error: mean over the 116 regions of (found − label) / label, with its sign and without, then mean "
        "± SD over images. By region: its median over people; the middle region's, and the largest. r: Pearson's over "
        "people, of each region's volume and of its share of all regions' volume, which a large head does not raise; "
        "the median of the regions, and the tenth of them that is lowest.",
        missing="nothing was run.",
    )


def _percent(mean_sd: Sequence[float], *, signed: bool = False) -> str:
    mean, sd = (100 * value for value in mean_sd)
    return f"{mean:{'+' if signed else ''}.1f} ± {sd:.1f}".replace("-", "−")


def _middle_and_most(bias: Mapping[str, float | None]) -> str:
    percents = {name: 100 * value for name, value in bias.items() if value is not None}
    if not percents:
        return MISSING
    most = max(percents, key=lambda name: abs(percents[name]))
    text = f"{np.median(list(percents.values())):+.1f} (most: {most} {percents[most]:+.0f})"
    return text.replace("-", "−")


def _spread_of(r: Mapping[str, float | None]) -> str:
    values = [value for value in r.values() if value is not None]
    if not values:
        return MISSING
    text = f"{np.median(values):.2f} (lowest tenth: under {np.quantile(values, 0.1):.2f})"
    return text.replace("-", "−")
