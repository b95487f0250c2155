"""What the experiment lets a caller choose, declared once, beside `parcela.options`."""

from __future__ import annotations

from typing import Literal

PresetName = Literal["demo", "thesis", "modern"]
SplitBy = Literal["subject", "image"]
Part = Literal["train", "val", "test"]
