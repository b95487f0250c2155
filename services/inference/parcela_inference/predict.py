"""From a preprocessed scan to a prediction: what ``parcela predict``, ``parcela.predict`` and the worker all call."""

from __future__ import annotations

import numpy as np

from parcela.bundle.prediction import Prediction, manifest_of
from parcela.imaging.geometry import Geometry
from parcela.imaging.preprocessed import Preprocessed
from parcela.imaging.volume import Volume
from parcela.options import Device, PredictOptions
from parcela.quality.judge import Evidence, judge
from parcela.stopwatch import OnStep
from parcela.weights.cards import hashes_of
from parcela_inference.parcellate import parcellate
from parcela_inference.scores import choose_device


def predict(
    volume: Volume,
    ready: Preprocessed,
    options: PredictOptions,
    *,
    device: Device = "auto",
    on_step: OnStep | None = None,
) -> Prediction:
    """Parcellate, and record how.

    Args:
        volume: the scan as received.
        ready: the same, preprocessed.
        options: what was chosen.
        device: where the networks run; ``auto`` takes CUDA where there is one.
        on_step: called with each step's name as it begins.

    Raises:
        BadRequest: ``cuda`` was asked for and is not there. Unavailable: no weights. LimitExceeded: no memory.
    """
    where = choose_device(device)
    parcellation = parcellate(
        ready.image,
        ready.trail,
        model=options.model,
        space=options.space,
        device=where,
        on_step=on_step,
    )
    manifest = manifest_of(
        "predict",
        ready,
        seconds=parcellation.seconds,
        parameters=options.parameters() | {"device": where},
        weights=hashes_of(options.model),
    )
    grid = ready.trail.scan if options.space == "native" else ready.trail.model
    labels = ready.in_view(parcellation.labels, grid)
    by_network = {name: ready.in_view(each, grid) for name, each in parcellation.by_network.items()}
    quality = judge(
        Evidence(
            volume,
            ready,
            parcellation.on_grid,
            labels,
            grid.affine,
            certainty=parcellation.certainty,
            weights=manifest.weights,
            by_network=by_network,
        )
    )
    manifest = manifest.model_copy(update={"quality": quality})
    if options.space == "native":
        return Prediction(volume, labels, ready.brain_mask, manifest, by_network)
    geometry = Geometry.of_grid(ready.trail.model.shape, ready.trail.model.affine)
    image = ready.in_view(ready.image, grid)
    shown = Volume(image, geometry, volume.name, volume.sha256, volume.warnings)
    mask = (image > 0).astype(np.uint8)
    return Prediction(shown, labels, mask, manifest, by_network)
