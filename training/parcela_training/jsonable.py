"""Values as JSON has them: no arrays, no NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def to_jsonable(value: Any, digits: int | None = None) -> Any:
    """Arrays and tuples as lists, dataclasses as dictionaries, NaN as None.

    Args:
        value: plain values, arrays and dataclasses, in any depth.
        digits: fractions are rounded to so many places; None: kept in full.
    """
    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_jsonable(inner, digits) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [to_jsonable(inner, digits) for inner in value]
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if digits is None else round(value, digits)
    return value
