"""A scan in, its regions out, in this process: what ``parcela predict`` and ``parcela.predict`` call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from parcela.bundle.prediction import Prediction
from parcela.dicom.conversion import read_scan
from parcela.imaging.volume import Volume
from parcela.options import (
    BEST,
    Device,
    LabelOptions,
    ModelChoice,
    PredictOptions,
    SkullStrip,
    Space,
    choosing,
)
from parcela.processes.surroundings import explaining_memory, name_user
from parcela.stopwatch import OnStep
from parcela.weights.cards import hashes_of

if TYPE_CHECKING:
    from parcela_labelling.labelled import Labelled

__all__ = ["Prediction", "predict", "run", "run_label"]


def predict(
    scan: str | Path | Volume,
    *,
    model: ModelChoice = BEST,
    preprocess: bool = True,
    skull_strip: SkullStrip = "auto",
    fast: bool = False,
    space: Space = "native",
    tissues: bool = False,
    standard_space: bool = False,
    probabilities: bool = False,
    template: str | Path | None = None,
    exact: bool = False,
    device: Device = "auto",
    on_step: OnStep | None = None,
) -> Prediction:
    """Parcellate one T1-weighted scan into the 116 regions of AAL.

    Args:
        scan: a NIfTI file, a DICOM series (a folder, or a zip of one), or a volume already read.
        model: ``warp``, ``unet``, ``highresnet``, or ``both`` (the last two averaged).
        preprocess: False when the scan is already skull-stripped and bias-corrected.
        skull_strip: ``robex`` (the reference; x86-64 Linux) or ``deepbet`` (any platform, seconds); ``auto``: ROBEX
            where it runs, else deepbet.
        fast: whole head to map in seconds: deepbet, unless ``skull_strip`` says otherwise.
        space: the grid of the label map: the scan's own (``native``), or the networks' (``model``).
        tissues: also grey matter, white matter and CSF of each region, and the head's size (eTIV).
        standard_space: also the map and the affine in the atlas's own space, Colin27, and the head's size.
        probabilities: also the networks' scores of all 117 classes.
        template: a skull-stripped brain whose space is the standard space instead, such as MNI152's.
        exact: every class everywhere, by MONAI's own network: slow, the same map to 0.01 % of its voxels.
        device: ``auto`` takes CUDA where there is one.
        on_step: called with each step's name as it begins.

    Raises:
        BadScan, BadRequest, StepFailed, Unavailable: see ``parcela.errors``; each message says what to do.
    """
    with choosing():
        options = PredictOptions(
            model=model,
            preprocess=preprocess,
            skull_strip=skull_strip,
            fast=fast,
            space=space,
            tissues=tissues,
            standard_space=standard_space or template is not None,
            probabilities=probabilities,
            exact=exact,
        )
    volume = scan if isinstance(scan, Volume) else read_scan(scan)
    return run(volume, options, device, on_step, read_template(template))


def read_template(path: str | Path | None) -> Volume | None:
    """A template that a user has, checked, where one is given; raises BadScan and BadRequest."""
    if path is None:
        return None
    from parcela_preprocess.atlas_affine import read_template as read

    return read(Path(path))


def run(
    volume: Volume,
    options: PredictOptions,
    device: Device = "auto",
    on_step: OnStep | None = None,
    template: Volume | None = None,
) -> Prediction:
    """Preprocess, parcellate, and record how. What is missing here is said before anything is computed."""
    name_user()
    with explaining_memory():
        from parcela_inference.predict import predict as parcellate_scan
        from parcela_inference.scores import choose_device
        from parcela_preprocess.atlas_affine import template_space
        from parcela_preprocess.preprocess import preprocess

        hashes_of(options.model)
        choose_device(device)
        ready = preprocess(
            volume,
            skull_strip=options.stripping,
            preprocess=options.preprocess,
            tissues=options.tissues,
            standard_space=options.to_colin27,
            on_step=on_step,
        )
        space = None if template is None else template_space(ready, template)
        made = parcellate_scan(
            volume, ready, options, device=device, template=space, on_step=on_step
        )
        return made if template is None else _with_template(made, template)


def _with_template(made: Prediction, template: Volume) -> Prediction:
    """A prediction whose manifest tells which template it was given."""
    parameters = {**made.manifest.parameters, **template_parameter(template)}
    return replace(made, manifest=made.manifest.model_copy(update={"parameters": parameters}))


def template_parameter(template: Volume | None) -> dict[str, str]:
    """As a manifest records a template: by its hash."""
    return {} if template is None else {"template": template.sha256}


def run_label(volume: Volume, options: LabelOptions, on_step: OnStep | None = None) -> Labelled:
    """Preprocess, register the atlas, and record how."""
    from parcela_labelling.labelled import label_scan
    from parcela_preprocess.preprocess import preprocess

    ready = preprocess(
        volume,
        preset=options.preset,
        skull_strip=options.stripping,
        preprocess=options.preprocess,
        tissues=options.tissues,
        on_step=on_step,
    )
    return label_scan(volume, ready, options, on_step)
