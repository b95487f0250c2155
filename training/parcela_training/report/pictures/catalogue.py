"""The figures that show scans: their numbers, captions and what draws them.

The thesis has Figures 3.1 to 3.12, 4.1 and 4.2; which step stands in which of 3.2 to 3.9 is our
reading.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

STEP_FIGURES: Final = MappingProxyType(
    {
        "skull-strip": "3.2",
        "bias": "3.3",
        "spacing": "3.4",
        "orientation": "3.5",
        "histogram": "3.6",
        "intensity": "3.7",
        "crop": "3.8",
        "resize": "3.9",
    }
)

PREPROCESSING: Final = MappingProxyType(
    {
        "3.1": "One scan as received, and after all nine steps",
        "3.2": "Step 1, skull-strip: before and after",
        "3.3": "Step 2, bias-field correction: before and after",
        "3.4": "Step 3, spacing: before and after",
        "3.5": "Step 4, orientation: before and after",
        "3.6": "Step 5, histogram: before and after",
        "3.7": "Step 6, intensity: before and after",
        "3.8": "Step 7, crop: before and after",
        "3.9": "Steps 8 and 9, origin and resize: before and after",
        "3.10": "A preprocessed image",
        "3.11": "The label map of that image",
        "3.12": "The label map over the image",
    }
)
PREDICTIONS: Final = MappingProxyType(
    {"4.1": "A prediction of HighResNet", "4.2": "A prediction of U-Net"}
)
PREDICTION_FIGURES: Final = MappingProxyType({"highresnet": "4.1", "unet": "4.2"})
