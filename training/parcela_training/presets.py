"""The settings of a training run, complete and frozen: a run's record says nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from parcela_inference.card import Model
from parcela_inference.networks import Variant


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that decides how a network is trained, the length of the run aside."""

    model: Model
    variant: Variant
    learning_rate: float
    weight_decay: float = 1e-4
    warm_up_steps: int = 150
    clip_norm: float = 1.0
    ema_decay: float = 0.995
    balanced_weight: float = 0.25
    """Of the cross-entropy averaged by class, beside plain cross-entropy and Dice."""
    augmented: bool = True
    mixed_precision: bool = True
    """bf16 where PyTorch's autocast uses it. oneDNN's bf16 gradients were seen to be garbage on
    volumes of 32³ and to repeat exactly, and agree with float32, on the real grid."""
    seed: int = 0
    trunk_steps: int = 0
    """U-Net: so many first steps train the trunk alone, at half resolution."""
    auxiliary_weight: float = 0.5
    """U-Net: weight of the trunk's half-resolution loss once the top block trains too."""
    patches: int = 24
    patch_size: tuple[int, int, int] = (12, 16, 16)
    """U-Net: patches of the output per step and their even size in voxels; many small ones."""
    parts: int = 2
    """HighResNet: stride-4 sub-lattices per step, of the eight in one stride-2 sub-lattice."""
    deep_every: int = 4
    """HighResNet: every so many steps the gradient also reaches the full-resolution layers."""


def modern(model: Model) -> Settings:
    """Parcela's own recipe: AdamW, warm-up and cosine, cross-entropy plus Dice, EMA, bf16.

    On two cores a U-Net step costs 1–3 s and a HighResNet step 2–6 s. After some 2,000 steps
    every region should be present in every map.
    """
    if model == "unet":
        return Settings(model="unet", variant="modern", learning_rate=2e-3, trunk_steps=800)
    return Settings(model="highresnet", variant="modern", learning_rate=2e-3)
