"""A trained network as users run it: what evaluation, publishing and the benchmarks measure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from parcela.imaging.trail import GeometryTrail
from parcela.options import Network
from parcela_inference.parcellate import parcellate
from parcela_training.hardware import training_device
from parcela_training.networks.predict import Predictor


def parcellator(model: Network, network: nn.Module) -> Predictor:
    """``parcellate`` with this network on the grid of its images, on the device that a user would get."""
    device = training_device()
    network.eval().to(device)

    def predict(image: NDArray[np.float32]) -> NDArray[np.uint8]:
        parcellation = parcellate(
            image,
            unmoved(image),
            model=model,
            space="model",
            device=device,
            networks={model: network},
        )
        return parcellation.labels

    return predict


def unmoved(image: NDArray[np.float32]) -> GeometryTrail:
    """The trail of an image that is on its grid already."""
    i, j, k = image.shape
    return GeometryTrail.unmoved((i, j, k), np.eye(4))
