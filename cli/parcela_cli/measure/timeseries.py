"""A four-dimensional image, such as BOLD: the mean of each region over time, and how the regions go together.

The means and their cleaning are nilearn's (``img_to_signals_labels``, ``signal.clean``; Abraham et al. 2014,
doi:10.3389/fninf.2014.00014).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from parcela.atlas.aal import REGION_COUNT, regions
from parcela.errors import BadRequest
from parcela.files import atomic_file
from parcela.imaging.geometry import Geometry
from parcela.imaging.png import to_png
from parcela_cli.measure.label_maps import LabelMap


def regional_series(
    label_map: LabelMap, image: NDArray[np.float64], grid: Geometry
) -> pd.DataFrame:
    """The mean of each region at each time.

    Args:
        label_map: in Parcela's ids.
        image: (X, Y, Z, T).
        grid: of its first three axes.

    Returns:
        T rows and 116 columns, named by region; NaN throughout for a region without a voxel.
    """
    from nilearn.regions import img_to_signals_labels

    labels = label_map.on_grid(grid).labels
    signals, ids, _ = img_to_signals_labels(
        nib.Nifti1Image(image, grid.affine),
        nib.Nifti1Image(labels.astype(np.int32), grid.affine),
        keep_masked_labels=False,
    )
    series = pd.DataFrame(signals, columns=[int(index) for index in ids])
    series = series.reindex(columns=range(1, REGION_COUNT + 1))
    return series.set_axis([region.name for region in regions()], axis=1)


def cleaned(
    series: pd.DataFrame,
    *,
    repetition_s: float | None = None,
    high_pass_hz: float | None = None,
    low_pass_hz: float | None = None,
    confounds: NDArray[np.float64] | None = None,
) -> pd.DataFrame:
    """The series without a linear trend, confounds, and what lies outside a band of frequencies.

    Args:
        series: from ``regional_series``.
        repetition_s: time between two volumes; needed for a band.
        high_pass_hz, low_pass_hz: the band's ends.
        confounds: (T, N).

    Raises:
        BadRequest: the confounds have another number of rows; or a band is asked for, and the time is unknown, or the
            series is too short for a filter, or the band is none.
    """
    from nilearn.signal import clean

    if confounds is not None and len(confounds) != len(series):
        raise BadRequest(
            f"the confounds have {len(confounds)} rows, the image {len(series)} volumes: give one row a volume"
        )
    if (high_pass_hz or low_pass_hz) and not repetition_s:
        raise BadRequest(
            "a band of frequencies needs the repetition time, and the image's header has none: correct the header"
        )
    present = series.columns[series.notna().all()]
    result = series.copy()
    try:
        result[present] = clean(
            series[present].to_numpy(),
            detrend=True,
            standardize=None,
            confounds=confounds,
            high_pass=high_pass_hz,
            low_pass=low_pass_hz,
            t_r=repetition_s,
        )
    except ValueError as error:
        if not (high_pass_hz or low_pass_hz):
            raise
        band = f"a band from {high_pass_hz or 0:g} to {low_pass_hz or np.inf:g} Hz"
        raise BadRequest(
            f"{len(series)} volumes cannot be filtered to {band} ({error}): give a longer series, "
            "or another --high-pass and --low-pass"
        ) from error
    return result


def correlation(series: pd.DataFrame) -> pd.DataFrame:
    """(116, 116): Pearson's correlation of every two regions over time; NaN for a region without a series."""
    return series.corr()


def read_confounds(path: Path) -> NDArray[np.float64]:
    """A table of confounds, (T, N), tab-separated with a heading, as fMRIPrep writes it; ``n/a`` counts as 0.

    Raises:
        BadRequest: it cannot be read, or holds anything but numbers.
    """
    try:
        table = pd.read_csv(path, sep="\t", na_values="n/a")
        return np.asarray(table.fillna(0).to_numpy(np.float64))
    except (OSError, ValueError) as error:
        raise BadRequest(f"{path}: not a table of confounds ({error})") from error


def write_matrix_picture(path: Path, matrix: pd.DataFrame, title: str = "") -> None:
    """The matrix as a picture (PNG), the regions in the order of their ids, red for 1 and blue for -1."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 8), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(matrix.to_numpy(), vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
    starts = _lobe_starts(matrix.columns)
    axes.set_xticks(list(starts), starts.values(), rotation=90, fontsize=7)
    axes.set_yticks(list(starts), starts.values(), fontsize=7)
    axes.set_title(title)
    figure.colorbar(shown, label="Pearson's r", shrink=0.8)
    with atomic_file(path) as stream:
        stream.write(to_png(figure, dpi=150))


def _lobe_starts(names: Sequence[Any]) -> dict[int, str]:
    """Where each run of regions of one lobe begins, and the lobe."""
    lobes = {region.name: region.lobe for region in regions()}
    run = [lobes[str(name)] for name in names]
    return {place: lobe for place, lobe in enumerate(run) if place == 0 or lobe != run[place - 1]}
