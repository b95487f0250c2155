"""The bundle: every file that one parcellated scan gives back, written so that nothing is ever half there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from parcela.atlas.lookup_tables import lookup_table
from parcela.bundle.citations import citations
from parcela.bundle.manifest import InputRecord, Origin
from parcela.bundle.mosaic import write_mosaic
from parcela.bundle.prediction import Prediction
from parcela.bundle.region_table import write_region_table
from parcela.bundle.report import write_report
from parcela.files import atomic_file, printable, sha256_of, write_text
from parcela.imaging.label_map import packed_shares, write_label_map, write_mask
from parcela.imaging.standard_space import COLIN27, affine_name, map_name, warp_names
from parcela.imaging.tissues import MAP_NAMES, TISSUES
from parcela.options import Options, PredictOptions

Kind = Literal[
    "dseg", "table", "qc", "thumbnail", "report", "mask", "freesurfer", "itksnap", "manifest"
]

FIXED_NAMES: Mapping[Kind, str] = {
    "dseg": "dseg.nii.gz",
    "table": "dseg.tsv",
    "qc": "qc.png",
    "thumbnail": "thumbnail.png",
    "report": "report.html",
    "mask": "desc-brain_mask.nii.gz",
    "freesurfer": "lut.txt",
    "itksnap": "itksnap.txt",
    "manifest": "manifest.json",
}

PROBABILITIES = "probseg.nii.gz"
OF_ATLAS = "_atlas-AAL"  # what a scan's name ends in where its files shall be BIDS's


def file_name(kind: Kind, scan_name: str | None = None) -> str:
    """Name of one of the bundle's files: the fixed one, or with the scan's name and an underscore before it."""
    return prefixed(FIXED_NAMES[kind], scan_name)


def network_map_name(network: str, scan_name: str | None = None) -> str:
    """Name of one network's own label map where several took part, such as ``desc-unet_dseg.nii.gz``."""
    return prefixed(f"desc-{network}_dseg.nii.gz", scan_name)


def names_of_bundle(networks: Sequence[str]) -> tuple[str, ...]:
    """The fixed names of a prediction's files: with several networks, each one's own map is among them."""
    maps = [network_map_name(network) for network in networks] if len(networks) > 1 else []
    return (*FIXED_NAMES.values(), *maps)


def names_on_request(options: Options, space: str = COLIN27) -> tuple[str, ...]:
    """The fixed names of the files that options add to a bundle; ``space`` is the standard space's name."""
    names = [*MAP_NAMES.values()] if options.tissues else []
    if isinstance(options, PredictOptions):
        names += [map_name(space), affine_name(space)] if options.standard_space else []
        names += [*warp_names(space)] if options.transforms and space == COLIN27 else []
        names += [PROBABILITIES] if options.probabilities else []
    return tuple(names)


def prefixed(fixed_name: str, scan_name: str | None) -> str:
    """A fixed name with the scan's name before it; None leaves it as it is.

    A name that ends in BIDS's ``_atlas-AAL`` gives BIDS's names: a mask, a tissue or a transform is of no atlas, one
    network's map is a segmentation (``seg-unet``), and the space stands before the atlas.

    Raises:
        ValueError: the scan's name is empty or would leave the folder.
    """
    if scan_name is None:
        return fixed_name
    if not scan_name or set(scan_name) & set("/\\\0"):
        raise ValueError(f"{scan_name!r} cannot begin a file name")
    if scan_name.endswith(OF_ATLAS):
        participant = scan_name.removesuffix(OF_ATLAS)
        if fixed_name == FIXED_NAMES["mask"] or fixed_name.startswith(("label-", "from-")):
            scan_name = participant
        elif fixed_name.startswith("space-"):
            space, _, fixed_name = fixed_name.partition("_")
            scan_name = f"{participant}_{space}{OF_ATLAS}"
        elif fixed_name.endswith("_dseg.nii.gz"):
            fixed_name = fixed_name.replace("desc-", "seg-")
    return f"{scan_name}_{fixed_name}"


def write_bundle(
    prediction: Prediction,
    folder: Path,
    name: str | None = None,
    *,
    prefix: bool = True,
    origin: Origin | None = None,
) -> dict[str, Path]:
    """Write the whole bundle of one scan into ``folder``, which is made if need be.

    Every file appears whole or not at all, the manifest last: where a manifest lies, the bundle is complete. The
    manifest of an earlier bundle of the same name goes first.

    Args:
        prediction: the regions of one scan; its manifest is completed with the scan's record, every warning and the
            files' hashes.
        folder: where to.
        name: what the files' names begin with; unless given, the scan's.
        prefix: False for the fixed names of the service, with the name in no file and no picture.
        origin: the service's job, for the report.

    Returns:
        path of each file by its kind (a network's own map by its fixed name's stem, such as ``desc-unet_dseg``; an
        attachment by its fixed name).

    Raises:
        ValueError: a map is not on the scan's grid or holds values it should not.
        OSError: the folder or a file cannot be written.
    """
    shown = (name or prediction.scan.name) if prefix else None
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / file_name("manifest", shown)
    record.unlink(missing_ok=True)
    scan_record = InputRecord.of(prediction.scan.sha256, prediction.scan.geometry)
    manifest = prediction.manifest.model_copy(
        update={
            "warnings": prediction.warnings,
            "input": scan_record,
            "volumes": prediction.volumes,
        }
    )
    manifest = manifest.model_copy(update={"citations": citations(manifest)})
    paths = _write_maps(prediction, folder, shown)
    paths |= _write_tables(prediction, folder, shown)
    attachments = _attachments(prediction)
    paths |= _write_attachments(attachments, folder, shown)
    paths["qc"] = folder / file_name("qc", shown)
    paths["thumbnail"] = folder / file_name("thumbnail", shown)
    write_mosaic(
        paths["qc"],
        prediction.scan.data,
        prediction.labels,
        prediction.scan.geometry.affine,
        prediction.counts,
        mask=prediction.brain_mask,
        title=printable(shown or ""),
        notes=manifest.warnings,
        sides_known=prediction.scan.geometry.sides_known,
        thumbnail=paths["thumbnail"],
    )
    fixed_names = (*names_of_bundle(tuple(prediction.by_network)), *attachments)
    fixed_of = {prefixed(fixed, shown): fixed for fixed in fixed_names}
    hashes = {fixed_of[path.name]: sha256_of(path) for path in paths.values()}
    manifest = manifest.model_copy(update={"files": hashes})
    paths["report"] = folder / file_name("report", shown)
    write_report(
        paths["report"],
        title=printable(shown or ""),
        picture=paths["qc"],
        rows=prediction.table,
        manifest=manifest,
        origin=origin,
        tissue_mm3=prediction.tissue_mm3,
    )
    hashes[FIXED_NAMES["report"]] = sha256_of(paths["report"])
    write_text(record, manifest.model_copy(update={"files": hashes}).to_json())
    return {**paths, "manifest": record}


def _write_maps(prediction: Prediction, folder: Path, shown: str | None) -> dict[str, Path]:
    geometry = prediction.scan.geometry
    paths = {"dseg": folder / file_name("dseg", shown)}
    write_label_map(paths["dseg"], prediction.labels, geometry)
    for network, labels in prediction.by_network.items():
        path = folder / network_map_name(network, shown)
        write_label_map(path, labels, geometry)
        paths[f"desc-{network}_dseg"] = path
    paths["mask"] = folder / file_name("mask", shown)
    write_mask(paths["mask"], prediction.brain_mask, geometry)
    return paths


def _write_tables(prediction: Prediction, folder: Path, shown: str | None) -> dict[str, Path]:
    paths = {"table": folder / file_name("table", shown)}
    write_region_table(paths["table"], prediction.table, prediction.columns)
    programs: tuple[Literal["freesurfer", "itksnap"], ...] = ("freesurfer", "itksnap")
    for program in programs:
        paths[program] = folder / file_name(program, shown)
        write_text(paths[program], lookup_table(program))
    return paths


def _attachments(prediction: Prediction) -> dict[str, bytes]:
    """Those that it brought, and the maps of the tissues."""
    if prediction.tissues is None:
        return dict(prediction.attachments)
    maps = {
        MAP_NAMES[tissue]: packed_shares(shares, prediction.scan.geometry)
        for tissue, shares in zip(TISSUES, prediction.tissues, strict=True)
    }
    return {**prediction.attachments, **maps}


def _write_attachments(
    attachments: Mapping[str, bytes], folder: Path, shown: str | None
) -> dict[str, Path]:
    paths = {fixed: folder / prefixed(fixed, shown) for fixed in attachments}
    for fixed, path in paths.items():
        with atomic_file(path) as stream:
            stream.write(attachments[fixed])
    return paths
