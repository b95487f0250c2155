"""``parcellate(image, trail)``: the one function that the command, the service and the evaluation all call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from parcela.imaging.standard_space import StandardSpace
from parcela.imaging.tissues import WHOLE
from parcela.imaging.trail import GeometryTrail
from parcela.options import BEST, ModelChoice, Network, Space, networks_of
from parcela.stopwatch import OnStep, Stopwatch
from parcela_inference.block_scores import BlockScores, ScoringMethod
from parcela_inference.registration.mapping import Mapping as Registration
from parcela_inference.registration.scores import RegistrationScores, bent_mm
from parcela_inference.scores import class_scores
from parcela_inference.to_scan import to_scan


@dataclass(frozen=True, eq=False)
class Parcellation:
    """Label maps, 0 the background and 1–116 the regions of AAL.

    Attributes:
        labels: (X, Y, Z) uint8 on the scan's grid (or (91, 122, 123) on the model's).
        on_grid: the same map on the model's grid.
        certainty: mean of the largest score over the brain, by network; of ``warp``, the image's likeness to Colin27's.
        by_network: of several networks, each one's own map; else empty.
        in_template: the map on a template's grid, where one was given.
        mapping: of the network that registers, from the model's grid to the atlas.
        scores: (I, J, K, 117) on the model's grid, 0 to 255 for 0 to 1, where they were asked for.
        ways: how each network's scores were computed.
        seconds: per step.
    """

    labels: NDArray[np.uint8]
    on_grid: NDArray[np.uint8]
    certainty: dict[str, float]
    by_network: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    in_template: NDArray[np.uint8] | None = None
    mapping: Registration | None = None
    scores: NDArray[np.uint8] | None = None
    ways: dict[str, ScoringMethod] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def bent_mm(self) -> float | None:
        """How far the mapping goes beyond an affine."""
        return None if self.mapping is None else bent_mm(self.mapping)


def parcellate(
    image: NDArray[np.float32],
    trail: GeometryTrail,
    *,
    model: ModelChoice = BEST,
    space: Space = "native",
    template: StandardSpace | None = None,
    keep_scores: bool = False,
    device: str = "cpu",
    networks: Mapping[Network, torch.nn.Module] | None = None,
    exact: bool = False,
    on_step: OnStep | None = None,
) -> Parcellation:
    """Label a preprocessed image.

    Args:
        image: (91, 122, 123) float32 in [0, 1].
        trail: from the scan's grid to this one.
        model: one network, or ``both`` of the thesis's: the arg-max of their averaged scores, with each one's own map
            beside it.
        space: the grid of the label map: the scan's (``native``) or the model's.
        template: where the image lies in a standard space, for a map there.
        keep_scores: whether to give back the (averaged) scores.
        device: as ``choose_device`` says.
        networks: trained ones, in evaluation mode on the device, instead of those that ship; their images may lie on
            any grid.
        exact: by MONAI's own forward pass, whatever quicker way there is.
        on_step: called with each step's name as it begins.
    """
    watch = Stopwatch(on_step)
    models = networks_of(model)
    by_network: dict[str, NDArray[np.uint8]] = {}
    certainty: dict[str, float] = {}
    ways: dict[str, ScoringMethod] = {}
    every = []
    mapping = None
    for name in models:
        with watch.step(name):
            scores = class_scores(image, name, device, (networks or {}).get(name), exact)
            largest, on_grid = scores.highest()
            if isinstance(scores, RegistrationScores):
                mapping = scores.mapping
                certainty[name] = scores.certainty
            else:
                certainty[name] = mean_certainty(largest, image)
            ways[name] = scores.way
            every.append(scores)
        if len(models) > 1:
            with watch.step(f"{name} to {space}"):
                by_network[name] = to_scan(scores, trail) if space == "native" else on_grid
    with watch.step(f"to {space}"):
        if len(every) > 1:
            scores = BlockScores.mean(every)
            _, on_grid = scores.highest()
        labels = to_scan(scores, trail) if space == "native" else on_grid
    in_template = None
    if template is not None:
        with watch.step(to_grid_of(template.name)):
            in_template = to_scan(scores, template.trail(trail))
    return Parcellation(
        labels,
        on_grid,
        certainty,
        by_network,
        in_template,
        mapping,
        scores.in_steps(WHOLE) if keep_scores else None,
        ways,
        watch.seconds,
    )


def mean_certainty(largest: NDArray[np.float32], image: NDArray[np.float32]) -> float:
    """Mean of the largest class score over the brain, both (I, J, K); NaN without one."""
    brain = image > 0
    return float(largest[brain].mean()) if brain.any() else float("nan")


def to_grid_of(template: str) -> str:
    """What the step to a template's grid is called."""
    return f"to {template}'s grid"
