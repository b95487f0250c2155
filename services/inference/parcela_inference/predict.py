"""From a preprocessed scan to a prediction: what ``parcela predict``, ``parcela.predict`` and the worker all call."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from parcela.bundle.prediction import Prediction, manifest_of
from parcela.bundle.write import PROBABILITIES
from parcela.imaging.geometry import Geometry
from parcela.imaging.label_map import packed_label_map, packed_shares
from parcela.imaging.preprocessed import Preprocessed
from parcela.imaging.standard_space import (
    COLIN27,
    StandardSpace,
    affine_name,
    etiv_mm3,
    itk_affine_file,
    map_name,
)
from parcela.imaging.tissues import WHOLE, Shares
from parcela.imaging.trail import GeometryTrail
from parcela.imaging.volume import Volume
from parcela.options import Device, PredictOptions
from parcela.quality.assess import Evidence, assess
from parcela.stopwatch import OnStep
from parcela.weights.cards import hashes_of
from parcela_inference.parcellate import Parcellation, parcellate
from parcela_inference.registration.transforms import transform_files
from parcela_inference.scores import choose_device


def predict(
    volume: Volume,
    ready: Preprocessed,
    options: PredictOptions,
    *,
    device: Device = "auto",
    template: StandardSpace | None = None,
    on_step: OnStep | None = None,
) -> Prediction:
    """Parcellate, and record how.

    Args:
        volume: the scan as received.
        ready: the same, preprocessed.
        options: what was chosen.
        device: where the networks run; ``auto`` takes a GPU where there is one.
        template: the standard space, where it is another than the atlas's own.
        on_step: called with each step's name as it begins.

    Raises:
        BadRequest: a device was asked for and is not there. Unavailable: no weights. LimitExceeded: no memory.
    """
    where = choose_device(device)
    standard = (template or ready.record.colin27) if options.standard_space else None
    parcellation = parcellate(
        ready.image,
        ready.trail,
        model=options.model,
        space=options.space,
        template=standard,
        keep_scores=options.probabilities,
        device=where,
        exact=options.exact,
        on_step=on_step,
    )
    manifest = manifest_of(
        "predict",
        ready,
        seconds=parcellation.seconds,
        parameters=options.parameters() | {"device": where, "ways": parcellation.ways},
        weights=hashes_of(options.model),
    )
    grid = ready.trail.scan if options.space == "native" else ready.trail.model
    labels = ready.in_view(parcellation.labels, grid)
    by_network = {name: ready.in_view(each, grid) for name, each in parcellation.by_network.items()}
    quality = assess(
        Evidence(
            volume,
            ready,
            parcellation.on_grid,
            labels,
            grid.affine,
            certainty=parcellation.certainty,
            weights=manifest.weights,
            by_network=by_network,
            bent_mm=parcellation.bent_mm,
        )
    )
    manifest = manifest.model_copy(update={"quality": quality})
    colin27 = ready.record.colin27
    further: dict[str, Any] = {
        "etiv_mm3": None if colin27 is None else etiv_mm3(colin27.to_template),
        "attachments": _attachments(ready, parcellation, standard),
    }
    if options.space == "native":
        return Prediction(
            volume, labels, ready.brain_mask, manifest, by_network, ready.tissues, **further
        )
    geometry = Geometry.of_grid(ready.trail.model.shape, ready.trail.model.affine)
    image = ready.in_view(ready.image, grid)
    shown = Volume(image, geometry, volume.name, volume.sha256, volume.warnings)
    mask = (image > 0).astype(np.uint8)
    tissues = None if ready.tissues is None else _on_model(ready.tissues, ready.trail)
    return Prediction(shown, labels, mask, manifest, by_network, tissues, **further)


def _attachments(
    ready: Preprocessed, parcellation: Parcellation, standard: StandardSpace | None
) -> dict[str, bytes]:
    """The map and the affine in the standard space, and the scores, where they were asked for."""
    files: dict[str, bytes] = {}
    if standard is not None and parcellation.in_template is not None:
        grid = Geometry.of_grid(standard.grid.shape, standard.grid.affine)
        seen = ready.in_view(parcellation.in_template, standard.trail(ready.trail).scan)
        files[map_name(standard.name)] = packed_label_map(seen, grid)
        files[affine_name(standard.name)] = itk_affine_file(standard.to_template)
        if parcellation.mapping is not None and standard.name == COLIN27:
            files |= transform_files(parcellation.mapping, ready.trail)
    if parcellation.scores is not None:
        model = ready.trail.model
        inside = ready.in_view(np.ones(model.shape, np.uint8), model)
        scores = parcellation.scores * inside[..., None]
        scores[..., 0] += WHOLE * (1 - inside)  # nothing but background beyond a cut
        files[PROBABILITIES] = packed_shares(scores, Geometry.of_grid(model.shape, model.affine))
    return files


def _on_model(shares: Shares, trail: GeometryTrail) -> Shares:
    """Shares of tissues, (3, X, Y, Z) on the scan's grid, on the model's; linear."""
    matrix, shape = trail.model_to_scan(), trail.model.shape
    return np.stack(
        [ndimage.affine_transform(s, matrix, output_shape=shape, order=1) for s in shares]
    )
