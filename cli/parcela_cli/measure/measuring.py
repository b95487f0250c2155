"""Several images measured with one label map, and the files that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import SpatialImage

from parcela.errors import BadRequest
from parcela.files import write_text
from parcela.imaging.volume import scan_name
from parcela.options import IdScheme
from parcela_cli.destination import check_folder, writing
from parcela_cli.measure.label_maps import LabelMap, read_label_map
from parcela_cli.measure.regional import regional_values
from parcela_cli.measure.second_image import grid_of, read_image, voxels_of
from parcela_cli.measure.timeseries import (
    cleaned,
    correlation,
    read_confounds,
    regional_series,
    write_matrix_picture,
)
from parcela_cli.progress import Progress, warn

LOW_COVERAGE = 0.9
SECONDS_PER_UNIT = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}


@dataclass(frozen=True)
class Cleaning:
    """What is taken out of a time series beside its linear trend.

    Attributes:
        confounds: a table of confounds, a row for each volume.
        high_pass_hz, low_pass_hz: the ends of a band of frequencies.
    """

    confounds: Path | None = None
    high_pass_hz: float | None = None
    low_pass_hz: float | None = None


def measure_images(
    map_path: Path,
    image_paths: Sequence[Path],
    out: Path | None,
    cleaning: Cleaning,
    source: IdScheme | None = None,
) -> None:
    """Measure every image, and write the table of the 3-D ones and three files for each 4-D one.

    Raises:
        BadScan, BadRequest: an image or the map cannot be used, or the files have nowhere to go. Nothing is written
            unless all images could be opened.
    """
    label_map = read_label_map(map_path, source).in_scheme("parcela")
    images = [(path, read_image(path)) for path in image_paths]
    still = [(path, image) for path, image in images if image.ndim == 3]
    moving = [(path, image) for path, image in images if image.ndim == 4]
    folder = _check_out(out, moving)
    tables = [_measured(label_map, path, image) for path, image in still]
    if tables:
        _write_table(out if folder is None else folder / "measures.tsv", pd.concat(tables))
    if folder is not None:
        for path, image in moving:
            _write_series(folder, label_map, path, image, cleaning)


def _check_out(out: Path | None, moving: Sequence[tuple[Path, SpatialImage]]) -> Path | None:
    """The folder that ``out`` names, made if need be; None where one table is asked for."""
    is_table = out is not None and out.suffix == ".tsv"
    if moving and (out is None or is_table):
        raise BadRequest(
            f"{moving[0][0]} is 4-D and gives three files: give a folder with -o, such as -o measures/"
        )
    if out is None:
        return None
    check_folder(out.parent if is_table else out)
    if is_table:
        return None
    out.mkdir(parents=True, exist_ok=True)
    return out


def _measured(label_map: LabelMap, path: Path, image: SpatialImage) -> pd.DataFrame:
    with Progress(str(path)) as progress:
        progress.step("measuring")
        table = regional_values(label_map, voxels_of(path, image), grid_of(image))
    table.insert(0, "image", scan_name(path))
    _warn_of_coverage(path, table)
    return table


def _warn_of_coverage(path: Path, table: pd.DataFrame) -> None:
    partly = int((table["coverage"] < LOW_COVERAGE).sum())
    if partly:
        warn(
            f"{path}: {partly} regions lie in its field of view by less than {LOW_COVERAGE:.0%} "
            "(column coverage); if the image is of the same head, it may not be aligned with the scan: see "
            "parcela resample --rigid"
        )


def _write_table(path: Path | None, table: pd.DataFrame) -> None:
    text = _tsv(table)
    if path is None:
        print(text, end="")
        return
    with writing(path):
        write_text(path, text)
    print(path)


def _write_series(
    folder: Path, label_map: LabelMap, path: Path, image: SpatialImage, cleaning: Cleaning
) -> None:
    name = scan_name(path)
    confounds = read_confounds(cleaning.confounds) if cleaning.confounds else None
    with Progress(str(path)) as progress:
        progress.step("averaging")
        series = regional_series(label_map, voxels_of(path, image), grid_of(image))
        progress.step("cleaning")
        series = cleaned(
            series,
            repetition_s=repetition_s(image),
            high_pass_hz=cleaning.high_pass_hz,
            low_pass_hz=cleaning.low_pass_hz,
            confounds=confounds,
        )
    matrix = correlation(series)
    with writing(folder):
        write_text(folder / f"{name}_timeseries.tsv", _tsv(series))
        write_text(
            folder / f"{name}_correlation.tsv", _tsv(matrix.rename_axis("name").reset_index())
        )
        write_matrix_picture(folder / f"{name}_correlation.png", matrix, name)
    print(folder / f"{name}_timeseries.tsv")


def repetition_s(image: SpatialImage) -> float | None:
    """Seconds between two volumes, as a NIfTI header says; None where it says nothing."""
    header = image.header
    if not isinstance(header, Nifti1Header):
        return None
    units = header.get_xyzt_units()[1]
    return float(header["pixdim"][4]) * SECONDS_PER_UNIT.get(units, 0.0) or None


def _tsv(table: pd.DataFrame) -> str:
    text: str = table.to_csv(
        sep="\t", index=False, na_rep="n/a", float_format="%.12g", lineterminator="\n"
    )
    return text
