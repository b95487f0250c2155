"""The U-Net's scores, block by block: in each for the classes alone that can be there, and outside the brain for none.

95 % of the network's operations are its last convolution, from 117 channels to 117 classes. Which classes are plausible
in a block, the training's labels say. A sample of every fourth voxel has the scores of all classes: what is the highest
there is taken too. A head that has much of it should go the whole way: small parts of a region may lie between samples.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from monai.networks.nets import UNet
from torch import Tensor
from torch.nn import functional

from parcela_inference.block_scores import EDGE, Block, BlockScores
from parcela_inference.networks import pad_to_halvings
from parcela_inference.unet_layers import trunk
from parcela_inference.unet_top import CHANNELS, TopBlock

MARGIN = 2  # voxels from the brain, farther than any label reaches
STEP = 4  # voxels from one sample to the next
PLANES = (0, 4, 8, 11)  # of a layer of blocks that are sampled


def class_scores_by_blocks(
    unet: UNet, image: Tensor, plausible: Tensor
) -> tuple[BlockScores, float]:
    """The softmax scores of an image, and the share of its samples in a region that is not plausible there.

    Args:
        unet: in evaluation mode.
        image: (I, J, K) in [0, 1].
        plausible: (i, j, k, 117) bool, the classes that each block may have.
    """
    i, j, k = image.shape
    top = TopBlock(unet, trunk(unet, pad_to_halvings(image[None, None]))[0])
    touched = _near_brain(image)
    held = BlockScores((i, j, k), "plausible classes")
    labelled = outside = 0
    for number, slab in _slabs(top, touched):
        places = touched[number].nonzero()
        table = plausible[number, places[:, 0], places[:, 1]]
        winners, around = _highest_of_samples(top, slab, touched[number])
        labelled += int((winners > 0).sum())
        outside += int((~table.gather(1, winners)).sum())
        chosen = table.scatter(1, around, True)
        chosen[:, 0] = True
        for (row, column), mask in zip(places.tolist(), chosen, strict=True):
            classes = mask.nonzero()[:, 0]
            if len(classes) > 1:
                part = slab[:, EDGE * row :, EDGE * column :][:, : EDGE + 2, : EDGE + 2]
                scores = top.some_classes(part, classes)
                a, b, c = (
                    n - EDGE * at for n, at in zip((i, j, k), (number, row, column), strict=True)
                )
                scores = scores[:, :a, :b, :c].contiguous().softmax(0)
                held.blocks[number, row, column] = Block(classes, scores)
    return held, outside / max(1, labelled)


def _near_brain(image: Tensor) -> Tensor:
    """Which blocks have brain in them, or close by: (i, j, k) bool."""
    i, j, k = (-size % EDGE for size in image.shape)
    brain = functional.pad((image > 0).float(), (0, k, 0, j, 0, i))[None]
    reach = EDGE + 2 * MARGIN
    return functional.max_pool3d(brain, reach, stride=EDGE, padding=MARGIN)[0] > 0


def _slabs(top: TopBlock, touched: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Each layer of blocks and one voxel around it, raised: (14, J+2, K+2, 120), where a block of it is touched.

    Two planes of a slab are the first two of the next: they are made once.
    """
    i, j, k = touched.shape
    slab = torch.zeros(EDGE + 2, EDGE * j + 2, EDGE * k + 2, CHANNELS)
    made = False
    for number in range(i):
        if touched[number].any():
            if made:
                slab[:2] = slab[EDGE:]
            cells = _cells(touched[number], top)
            edge_cells = _cells(touched[number : number + 2].any(0), top)
            for plane in range(2 if made else 0, EDGE + 2):
                where = cells if plane < EDGE else edge_cells
                top.raise_plane(slab[plane], EDGE * number + plane - 1, where)
            yield number, slab
        made = bool(touched[number].any())


def _cells(touched: Tensor, top: TopBlock) -> Tensor:
    """(n, 2) places of features in and around the touched blocks, (j, k) bool, of a layer."""
    half = EDGE // 2
    inside = touched.repeat_interleave(half, 0).repeat_interleave(half, 1)
    around = functional.max_pool2d(inside.float()[None], 3, stride=1, padding=1)[0]
    return around[: top.size[1], : top.size[2]].nonzero()


def _highest_of_samples(top: TopBlock, slab: Tensor, touched: Tensor) -> tuple[Tensor, Tensor]:
    """The highest of all classes at the samples in each touched block, (n, s), and in and around it, (n, t).

    In a layer every fourth voxel along both axes is a sample, and around a block those at two voxels from it. Across
    layers the first and the last plane are sampled too, since the next layer is not there yet.
    """
    j, k = touched.shape
    each = EDGE // STEP  # samples of a block along an axis
    along = torch.arange(STEP // 2, EDGE, STEP)
    inside = torch.cartesian_prod(torch.tensor(PLANES), along, along)
    corners = functional.pad(EDGE * touched.nonzero(), (1, 0))
    voxels = (corners[:, None] + inside).flatten(0, 1)
    winners = top.every_class(slab, voxels).argmax(-1).view(-1, len(PLANES), each, each)
    layer = winners.new_zeros(j, k, *winners.shape[1:])
    layer[touched] = winners
    whole = functional.pad(
        layer.permute(2, 0, 3, 1, 4).reshape(len(PLANES), each * j, each * k), (1, 1, 1, 1)
    )
    around = whole.unfold(1, each + 2, each).unfold(2, each + 2, each).permute(1, 2, 0, 3, 4)
    return winners.flatten(1), around[touched].flatten(1)
