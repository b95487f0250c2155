"""What the experiment lets a caller choose, declared once, beside `parcela.options`."""

from __future__ import annotations

from typing import Literal

from parcela.options import Network

PresetName = Literal["demo", "thesis", "modern"]
SplitBy = Literal["subject", "image"]
Part = Literal["train", "val", "test"]

TITLES: dict[Network, str] = {
    "unet": "U-Net",
    "highresnet": "HighResNet",
    "warp": "Registration network",
}
