"""The bundle: every file that one parcellated scan gives back, written so that nothing is ever half there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from parcela.bundle.manifest import Manifest
from parcela.bundle.mosaic import write_mosaic
from parcela.bundle.region_table import (
    RegionRow,
    region_table,
    write_freesurfer_lut,
    write_itksnap,
    write_region_table,
)
from parcela.bundle.report import write_report
from parcela.files import atomic_file, sha256_of, write_text
from parcela.imaging.label_map import write_label_map, write_mask
from parcela.imaging.volume import Volume

Kind = Literal["dseg", "table", "qc", "report", "mask", "freesurfer", "itksnap", "manifest"]

FIXED_NAMES: Mapping[Kind, str] = {
    "dseg": "dseg.nii.gz",
    "table": "dseg.tsv",
    "qc": "qc.png",
    "report": "report.html",
    "mask": "desc-brain_mask.nii.gz",
    "freesurfer": "lut.txt",
    "itksnap": "itksnap.txt",
    "manifest": "manifest.json",
}


def file_name(kind: Kind, scan_name: str | None = None) -> str:
    """Name of one of the bundle's files: the fixed one, or with the scan's name and an underscore before it."""
    return prefixed(FIXED_NAMES[kind], scan_name)


def network_map_name(network: str, scan_name: str | None = None) -> str:
    """Name of one network's own label map where several took part, such as ``desc-unet_dseg.nii.gz``."""
    return prefixed(f"desc-{network}_dseg.nii.gz", scan_name)


def prefixed(fixed_name: str, scan_name: str | None) -> str:
    """A fixed name with the scan's name before it; None leaves it as it is.

    Raises:
        ValueError: the scan's name is empty or would leave the folder.
    """
    if scan_name is None:
        return fixed_name
    if not scan_name or set(scan_name) & set("/\\\0"):
        raise ValueError(f"{scan_name!r} cannot begin a file name")
    return f"{scan_name}_{fixed_name}"


def write_bundle(
    folder: Path,
    *,
    name: str,
    labels: NDArray[Any],
    brain_mask: NDArray[Any] | None,
    scan: Volume,
    manifest: Manifest,
    prefix: bool = True,
    network_maps: Mapping[str, NDArray[Any]] | None = None,
    columns: Mapping[str, Sequence[float | None]] | None = None,
    attachments: Mapping[str, bytes] | None = None,
) -> dict[str, Path]:
    """Write the whole bundle of one scan into ``folder``, which is made if need be.

    Every file appears whole or not at all, the manifest last: where a manifest lies, the bundle is complete. The
    manifest of an earlier bundle of the same name goes first.

    Args:
        folder: where to.
        name: the scan's name; in file names and the picture only with ``prefix``.
        labels: (X, Y, Z) ids 0 to 116 on the scan's grid.
        brain_mask: (X, Y, Z) of 0 and 1 on the same grid; None where there was none.
        scan: as read; its header gives the geometry, its intensities the picture.
        manifest: what the caller knows; the scan's record, its warnings and the files are filled in here.
        prefix: False for the fixed names of the service.
        network_maps: label maps of single networks by network, written beside ``labels``.
        columns: further columns of the table by name, 116 values each.
        attachments: the bytes of further files by their fixed names, such as the transforms of a registration.

    Returns:
        path of each file by its kind (a network's own map by its fixed name's stem, such as ``desc-unet_dseg``; an
        attachment by its fixed name).

    Raises:
        ValueError: a map is not on the scan's grid or holds values it should not; a column of another length.
        OSError: the folder or a file cannot be written.
    """
    shown = name if prefix else None
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / file_name("manifest", shown)
    record.unlink(missing_ok=True)
    paths = _write_maps(folder, shown, labels, brain_mask, scan, network_maps or {})
    rows = region_table(labels, scan.geometry)
    paths |= _write_tables(folder, shown, rows, columns)
    paths |= _write_attachments(folder, shown, attachments or {})
    paths["qc"] = folder / file_name("qc", shown)
    complete = manifest.completed(scan, {})
    write_mosaic(
        paths["qc"],
        scan.data,
        labels,
        scan.geometry.affine,
        mask=brain_mask,
        title=shown or "",
        notes=complete.warnings,
        sides_known=scan.geometry.sides_known,
    )
    paths["report"] = folder / file_name("report", shown)
    write_report(
        paths["report"], title=shown or "", picture=paths["qc"], rows=rows, manifest=complete
    )
    hashes = {
        path.name.removeprefix(prefixed("", shown)): sha256_of(path) for path in paths.values()
    }
    write_text(record, manifest.completed(scan, hashes).to_json())
    return {**paths, "manifest": record}


def _write_maps(
    folder: Path,
    shown: str | None,
    labels: NDArray[Any],
    brain_mask: NDArray[Any] | None,
    scan: Volume,
    network_maps: Mapping[str, NDArray[Any]],
) -> dict[str, Path]:
    paths = {"dseg": folder / file_name("dseg", shown)}
    write_label_map(paths["dseg"], labels, scan.geometry)
    for network, own in network_maps.items():
        path = folder / network_map_name(network, shown)
        write_label_map(path, own, scan.geometry)
        paths[f"desc-{network}_dseg"] = path
    if brain_mask is not None:
        paths["mask"] = folder / file_name("mask", shown)
        write_mask(paths["mask"], brain_mask, scan.geometry)
    return paths


def _write_tables(
    folder: Path,
    shown: str | None,
    rows: Sequence[RegionRow],
    columns: Mapping[str, Sequence[float | None]] | None,
) -> dict[str, Path]:
    kinds: tuple[Kind, ...] = ("table", "freesurfer", "itksnap")
    table, freesurfer, itksnap = (folder / file_name(kind, shown) for kind in kinds)
    write_region_table(table, rows, columns)
    write_freesurfer_lut(freesurfer)
    write_itksnap(itksnap)
    return {"table": table, "freesurfer": freesurfer, "itksnap": itksnap}


def _write_attachments(
    folder: Path, shown: str | None, attachments: Mapping[str, bytes]
) -> dict[str, Path]:
    paths = {fixed: folder / prefixed(fixed, shown) for fixed in attachments}
    for fixed, path in paths.items():
        with atomic_file(path) as stream:
            stream.write(attachments[fixed])
    return paths
