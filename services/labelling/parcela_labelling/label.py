"""``label(image, trail)``: the one function that the command, the service and the training all call."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.opening import open_labels
from parcela.imaging.trail import GeometryTrail
from parcela.options import Preset
from parcela.settings import settings
from parcela.stopwatch import OnStep, Stopwatch
from parcela_labelling.check import Check, check_registration
from parcela_labelling.register import Method, register
from parcela_labelling.transforms import Transforms


@dataclass(frozen=True, eq=False)
class Labelling:
    """A bronze label: AAL carried over to one image by registration.

    Attributes:
        labels: (I, J, K) uint8 on the image's grid, ids 0 to 116, opened.
        registered: the same before the opening.
        transforms: between the scan's world and Colin27's.
        check: whether the registration can be trusted.
        seconds: per step, in order.
        warnings: what a user should know, one sentence each.
    """

    labels: NDArray[np.uint8]
    registered: NDArray[np.uint8]
    transforms: Transforms
    check: Check
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def label(
    image: NDArray[np.float32],
    trail: GeometryTrail,
    *,
    opening: Preset = "modern",
    method: Method = "SyN",
    on_step: OnStep | None = None,
) -> Labelling:
    """Label a preprocessed image by registering the atlas to it.

    Args:
        image: (91, 122, 123) float32 in [0, 1], a brain, 0 outside.
        trail: from the scan's grid to this one.
        opening: ``thesis`` or ``modern``, see ``open_labels``.
        method: antspyx's ``type_of_transform``.
        on_step: called with each step's name as it begins.

    Raises:
        StepFailed: ANTs crashed, refused the image, or went over a limit. A registration that ran and went wrong is no
            error: ``check`` tells.
    """
    watch = Stopwatch(on_step)
    with watch.step("registration"):
        registration = register(image, trail, method=method)
    with watch.step("opening"):
        labels = open_labels(registration.labels, opening)
    with watch.step("check"):
        check = check_registration(image, registration)
    return Labelling(
        labels, registration.labels, registration.transforms, check, watch.seconds, _warnings(check)
    )


def _warnings(check: Check) -> tuple[str, ...]:
    threads = settings().itk_threads
    repeats = f"registered with {threads} threads: another run gives slightly different labels"
    sentences = (check.warning(), repeats if threads > 1 else None)
    return tuple(sentence for sentence in sentences if sentence is not None)
