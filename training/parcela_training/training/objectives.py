"""What is trained: each network with the loss of one step, on whole volumes or on parts of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from monai.losses import DiceLoss
from monai.networks.nets import HighResNet, UNet
from numpy.typing import NDArray
from torch import Tensor, nn

from parcela.atlas.aal import CLASS_COUNT
from parcela.errors import Unavailable
from parcela_inference.networks import build
from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import centres
from parcela_inference.registration.network import RegistrationNetwork
from parcela_inference.sub_lattices import OFFSETS, Offset, SubLattice, forward_on
from parcela_inference.unet_layers import trunk
from parcela_training.networks.losses import (
    ClassSums,
    added,
    alone,
    class_sums,
    segmentation_loss,
    voxels,
)
from parcela_training.networks.predict import predict
from parcela_training.networks.unet_step import activations, class_scores, statistics
from parcela_training.registration.loss import registration_loss
from parcela_training.training.distributed import pooled
from parcela_training.training.recipe import Recipe
from parcela_training.training.samples import OUTSIDE, Sample

Labels = NDArray[np.uint8]
# Bytes; beyond it PyTorch's conv3d on a CPU ends in a segmentation fault
LARGEST_CPU_TENSOR = 2**31
LANES, FEWEST_OTHERS = 16, 4  # AVX-512 convolves 16 channels at once


class TrainingStep(nn.Module, ABC):
    """A network with what trains it. Called, it gives the loss of one step on some volumes."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe

    def forward(self, samples: Sequence[Sample], step: int) -> Tensor:
        """The mean loss over the volumes, each for itself."""
        return torch.stack([self.loss(sample, step) for sample in samples]).mean()

    @abstractmethod
    def loss(self, sample: Sample, step: int) -> Tensor:
        """The loss on one volume; what is random about it comes from the sample."""

    def segmentation_loss(self, sums: ClassSums) -> Tensor:
        """The settings' loss."""
        return segmentation_loss(
            sums,
            self.recipe.balanced_weight,
            cross_entropy=self.recipe.loss == "dice+cross-entropy",
        )

    @torch.no_grad()
    def evaluate(self, sample: Sample, step: int) -> tuple[float, Labels]:
        """The loss on one volume in evaluation mode, and the label map (I, J, K)."""
        mixed = torch.is_autocast_enabled(sample.image.device.type)
        labels = predict(self.network, sample.image, sample.shape, mixed)
        return float(self.loss(sample, step)), labels


class WholeVolumeStep(TrainingStep):
    """Whole volumes through the network as MONAI has it."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        super().__init__(network, recipe)
        self.dice = DiceLoss(softmax=True, to_onehot_y=True)

    def forward(self, samples: Sequence[Sample], step: int) -> Tensor:  # noqa: ARG002
        """The loss on a batch of volumes, together."""
        labels = torch.stack([sample.label for sample in samples])
        return self._loss(self._scores(samples), labels, samples[0])

    def loss(self, sample: Sample, step: int) -> Tensor:
        """The loss on one volume."""
        return self.forward([sample], step)

    @torch.no_grad()
    def evaluate(self, sample: Sample, step: int) -> tuple[float, Labels]:  # noqa: ARG002
        """The loss on one volume in evaluation mode, and the label map (I, J, K)."""
        scores = self._scores([sample])
        i, j, k = sample.shape
        labels = scores[0].argmax(0)[:i, :j, :k].to(torch.uint8).cpu().numpy()
        return float(self._loss(scores, sample.label[None], sample)), labels

    def _scores(self, samples: Sequence[Sample]) -> Tensor:
        images = torch.cat([sample.image for sample in samples])
        check_memory(images)
        if self.recipe.preset != "thesis":
            images = images.contiguous(memory_format=torch.channels_last_3d)
        scores: Tensor = self.network(images)
        return scores

    def _loss(self, scores: Tensor, labels: Tensor, sample: Sample) -> Tensor:
        """On (B, 117, I', J', K') and (B, I', J', K'); the padding does not count."""
        i, j, k = sample.shape
        scores, labels = scores[..., :i, :j, :k], labels[..., :i, :j, :k].long()
        if self.recipe.loss == "dice":
            loss: Tensor = self.dice(scores, labels[:, None])
            return loss
        flat = scores.movedim(1, -1).reshape(-1, CLASS_COUNT)
        pool = pooled if self.training else alone
        return self.segmentation_loss(class_sums(flat, labels.reshape(-1), pool))


def check_memory(images: Tensor) -> None:
    """Refuse what PyTorch cannot do on a CPU: the scores of one volume beyond 2 GB.

    Raises:
        Unavailable: the volume is too large.
    """
    largest = CLASS_COUNT * images[0].numel() * images.element_size()
    if images.device.type == "cpu" and largest > LARGEST_CPU_TENSOR:
        i, j, k = images.shape[-3:]
        raise Unavailable(
            f"whole volumes of {i}×{j}×{k} need scores of {largest / 1e9:.1f} GB, which PyTorch cannot "
            "convolve on a CPU: use a GPU, or the preset modern, which takes parts"
        )


class UNetStep(TrainingStep):
    """The U-Net: its trunk on whole volumes, its top block on random patches."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        super().__init__(network, recipe)
        # For training only: reads the eight voxels under each half-resolution feature.
        self.head = nn.Linear(32, len(OFFSETS) * CLASS_COUNT)

    @property
    def unet(self) -> UNet:
        """The network as the U-Net that it is."""
        return cast(UNet, self.network)

    def loss(self, sample: Sample, step: int) -> Tensor:
        """Half resolution on the whole volume, and full resolution on patches after that."""
        features = trunk(self.unet, sample.image)
        if step < self.recipe.trunk_steps and self.training:
            return self._half_resolution_loss(features, sample, every=1)
        full = self._full_resolution_loss(features, sample)
        if not (self.training and self.recipe.auxiliary_weight):
            return full
        return full + self.recipe.auxiliary_weight * self._half_resolution_loss(
            features, sample, every=2
        )

    def _full_resolution_loss(self, features: Tensor, sample: Sample) -> Tensor:
        size, generator = self.recipe.patch_size, sample.draws.generator
        starts = draw_patches(sample, self.recipe.patches, size, generator)
        moments = statistics(self.unet, features, draw_offset(generator))
        normal = activations(self.unet, features, moments, starts, size)
        labels = torch.stack([_patch(sample.label, start, size) for start in starts]).long()
        if self.training and self.recipe.class_margin is not None:
            classes = [
                near_classes(sample.label, start, size, self.recipe.class_margin, generator)
                for start in starts
            ]
            return self._near_loss(normal, labels, classes)
        scores = class_scores(self.unet, normal)
        return self.segmentation_loss(class_sums(*voxels(scores, labels, labels != OUTSIDE)))

    def _near_loss(
        self, normal: Tensor, labels: Tensor, classes: Sequence[tuple[Tensor, Tensor]]
    ) -> Tensor:
        """The loss with each patch's softmax over some classes of its own, of which the last stand for all others."""
        parts = []
        for patch, label, (ids, weights) in zip(normal.unbind(), labels, classes, strict=True):
            scores = class_scores(self.unet, patch[None], ids).float()
            scores = scores + weights.log()[:, None, None, None]
            place = torch.zeros(OUTSIDE + 1, dtype=torch.long).index_copy(
                0, ids, torch.arange(len(ids))
            )
            parts.append(class_sums(*voxels(scores, place[label[None]], label[None] != OUTSIDE)))
        return self.segmentation_loss(added(parts, [ids for ids, _ in classes], CLASS_COUNT))

    def _half_resolution_loss(self, features: Tensor, sample: Sample, every: int) -> Tensor:
        """The loss at one of the eight voxels under each feature, on every ``every``-th feature per axis."""
        parity, (i, j, k) = _draw_parity(sample.draws.generator)
        labels = sample.label[i::2, j::2, k::2][::every, ::every, ::every].long()
        inside = labels != OUTSIDE
        taken = slice(parity * CLASS_COUNT, (parity + 1) * CLASS_COUNT)
        chosen = features[0, :, ::every, ::every, ::every].movedim(0, -1)[inside]
        scores = nn.functional.linear(chosen, self.head.weight[taken], self.head.bias[taken])
        return self.segmentation_loss(class_sums(scores, labels[inside]))


def _draw_parity(generator: torch.Generator) -> tuple[int, Offset]:
    parity = int(torch.randint(8, (1,), generator=generator))
    return parity, OFFSETS[parity]


def draw_offset(generator: torch.Generator) -> Offset:
    """Draw one of the eight offsets of a stride-2 sub-lattice."""
    return _draw_parity(generator)[1]


def draw_patches(
    sample: Sample, count: int, size: tuple[int, int, int], generator: torch.Generator
) -> list[tuple[int, int, int]]:
    """Even starts of patches kept within the volume.

    Half are centred on random labelled voxels, half on a random voxel of a random region.
    """
    labelled = ((sample.label > 0) & (sample.label != OUTSIDE)).nonzero()
    anywhere = torch.randint(len(labelled), (count - count // 2,), generator=generator)
    ids = sample.label[tuple(labelled.T)]
    present = ids.unique()
    regions = present[torch.randint(len(present), (count // 2,), generator=generator)]
    balanced = [_any_of((ids == region).nonzero()[:, 0], generator) for region in regions]
    centres = labelled[torch.cat([anywhere, *balanced])]
    starts = []
    for centre in centres.tolist():
        corner = [
            min(max(middle - extent // 2, 0), whole - extent + whole % 2) // 2 * 2
            for middle, extent, whole in zip(centre, size, sample.shape, strict=True)
        ]
        starts.append((corner[0], corner[1], corner[2]))
    return starts


def near_classes(
    label: Tensor,
    start: tuple[int, int, int],
    size: tuple[int, int, int],
    margin: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """The classes for one patch: those within ``margin`` voxels of it, and some of the others at random.

    As many others fill the next full multiple of ``LANES``, four at least. Each stands for all that were not drawn, so
    that the softmax's sum is right on average (Jean et al. 2015, On Using Very Large Target Vocabulary).

    Returns:
        (C,) ids, and (C,) for how many classes each stands.
    """
    around = label[
        tuple(
            slice(max(0, first - margin), first + extent + margin)
            for first, extent in zip(start, size, strict=True)
        )
    ]
    found = torch.bincount(around.flatten(), minlength=OUTSIDE + 1)[:CLASS_COUNT] > 0
    found[0] = True
    near, far = found.nonzero()[:, 0], (~found).nonzero()[:, 0]
    count = min(len(far), -(-(len(near) + FEWEST_OTHERS) // LANES) * LANES - len(near))
    others = far[torch.randperm(len(far), generator=generator)[:count]]
    stands_for = torch.ones(len(near) + count)
    stands_for[len(near) :] = len(far) / max(count, 1)
    return torch.cat([near, others]), stands_for


def _any_of(choices: Tensor, generator: torch.Generator) -> Tensor:
    return choices[torch.randint(len(choices), (1,), generator=generator)]


def _patch(volume: Tensor, start: tuple[int, int, int], size: tuple[int, int, int]) -> Tensor:
    (i, j, k), (di, dj, dk) = start, size
    return volume[i : i + di, j : j + dj, k : k + dk]


class HighResNetStep(TrainingStep):
    """HighResNet: exact scores on a random sub-lattice of the whole volume."""

    def loss(self, sample: Sample, step: int) -> Tensor:
        """Every so many steps the gradient reaches the full-resolution layers too."""
        lattice = SubLattice.draw(self.recipe.parts, sample.draws.generator)
        deep = step % self.recipe.deep_every == 0
        scores = forward_on(cast(HighResNet, self.network), sample.image, lattice, deep)
        labels = lattice.take(sample.label[None, None].float())[:, 0].long()
        return self.segmentation_loss(class_sums(*voxels(scores, labels, labels != OUTSIDE)))


class RegistrationStep(TrainingStep):
    """The network that registers: whole volumes through it, random voxels through its mapping."""

    def __init__(self, network: RegistrationNetwork, recipe: Recipe) -> None:
        super().__init__(network, recipe)
        network.regions.copy_(atlas_box().labels)

    def loss(self, sample: Sample, step: int) -> Tensor:  # noqa: ARG002
        """Distances of labelled voxels from their regions in the atlas, and the pose's error."""
        i, j, k = sample.shape
        network, labels = cast(RegistrationNetwork, self.network), sample.label[:i, :j, :k].cpu()
        return registration_loss(network, sample.image, labels, sample.draws)

    @torch.no_grad()
    def evaluate(self, sample: Sample, step: int) -> tuple[float, Labels]:
        """The loss on one volume, and the label map (I, J, K) of the image alone."""
        mapping = self.network(sample.image, sample.shape)
        regions = cast(RegistrationNetwork, self.network).regions.cpu()
        labels = atlas_box().labels_at(mapping(centres(sample.shape)), regions)
        return float(self.loss(sample, step)), labels.numpy()


def training_step(recipe: Recipe) -> TrainingStep:
    """An untrained network with its step, on the CPU."""
    network = build(recipe.model, recipe.variant)
    if recipe.model == "warp":
        return RegistrationStep(cast(RegistrationNetwork, network), recipe)
    if recipe.step == "whole":
        return WholeVolumeStep(network, recipe)
    if recipe.model == "unet":
        return UNetStep(network, recipe)
    return HighResNetStep(network, recipe)
