"""The last layer's biases, set once the weights are learned, so that each region is as large as in the labels.

Dice and cross-entropy by class reward a network for more of a small region than there is. A shift of each class's score
takes that back: the logit adjustment of Saerens et al. (2002, Adjusting the Outputs of a Classifier to New a Priori
Probabilities), with the volumes over the training images as the classes' frequencies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from monai.networks.nets import UNet
from torch import Tensor, nn

from parcela.atlas.aal import CLASS_COUNT
from parcela_inference.unet_layers import top_layers
from parcela_training.networks.predict import highest

CANDIDATES = 6  # classes of a voxel that a shift may make its highest
CERTAIN = 4.0  # a voxel whose second class has a log probability so much lower keeps its first
ROUNDS, FIRST_STEP, LARGEST_STEP = 40, 0.1, 0.3


@dataclass(frozen=True, eq=False)
class Volumes:
    """An image's labels and scores, as far as its regions' volumes need them.

    Attributes:
        certain: (117,) voxels by their class, where no shift changes it.
        chances, ids: (CANDIDATES, V) log probabilities, highest first, and their classes, of the other voxels.
        truth: (117,) voxels by their label.
    """

    certain: Tensor
    chances: Tensor
    ids: Tensor
    truth: Tensor

    @staticmethod
    def of(network: nn.Module, image: Tensor, label: Tensor, mixed_precision: bool) -> Volumes:
        """From a padded image (1, 1, I', J', K') and its label (I, J, K)."""
        i, j, k = label.shape
        chances, ids = highest(network, image, CANDIDATES, mixed_precision)
        chances, ids = chances[:, :i, :j, :k], ids[:, :i, :j, :k]
        doubtful = chances[0] - chances[1] < CERTAIN
        return Volumes(
            _counts(ids[0][~doubtful]),
            chances[:, doubtful],
            ids[:, doubtful],
            _counts(label.cpu()),
        )

    def predicted(self, shift: Tensor) -> Tensor:
        """(117,) voxels by their class, after a shift of each class's score."""
        ids = self.ids.long()
        best = (self.chances.float() + shift[ids]).argmax(dim=0, keepdim=True)
        return self.certain + _counts(ids.gather(0, best))


def _counts(ids: Tensor) -> Tensor:
    return torch.bincount(ids.flatten().long(), minlength=CLASS_COUNT).double()


@torch.no_grad()
def balance_volumes(
    network: nn.Module, heads: Iterable[tuple[Tensor, Tensor]], mixed_precision: bool = True
) -> None:
    """Shift the last layer's biases until each region's volume over some training images is its labels'.

    The background keeps its own. A region that the labels of these images do not hold keeps its bias too.

    Args:
        network: in evaluation mode.
        heads: padded images, (1, 1, I', J', K'), and their labels, (I, J, K).
        mixed_precision: bf16.
    """
    every = [Volumes.of(network, image, label, mixed_precision) for image, label in heads]
    bias = last_bias(network)
    bias.add_(shift_of(every).to(bias))


def shift_of(every: Sequence[Volumes]) -> Tensor:
    """(117,) what to add to each class's score: found by Rprop, each class by steps of its own.

    (Riedmiller and Braun 1993: steps grow while the sign of the error stays, and shrink when it turns.)
    """
    truth = torch.stack([one.truth for one in every]).sum(dim=0)
    fixed = truth == 0
    fixed[0] = True
    shift, before = torch.zeros(CLASS_COUNT), torch.zeros(CLASS_COUNT)
    step = torch.full_like(shift, FIRST_STEP)
    for _ in range(ROUNDS):
        predicted = torch.stack([one.predicted(shift) for one in every]).sum(dim=0)
        sign = (truth - predicted).sign().float().masked_fill(fixed, 0)
        step = torch.where(sign == before, 1.2 * step, 0.5 * step).clamp_max(LARGEST_STEP)
        shift += sign * step
        before = sign
    return shift


def last_bias(network: nn.Module) -> nn.Parameter:
    """(117,) the bias of the class scores: the U-Net's last convolution has one, HighResNet's last norm."""
    if isinstance(network, UNet):
        return cast(nn.Parameter, top_layers(network)[2].bias)
    return cast(nn.Parameter, network.get_submodule("blocks.11.adn.N").bias)
