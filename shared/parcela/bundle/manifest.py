"""The manifest: how the files of one job were made, from which bytes, by what.

It names files by their fixed names and holds neither the scan's name nor a path: it is the same wherever it was made.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from parcela.imaging.geometry import Geometry

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class InputRecord:
    """What the manifest says of the scan as received.

    Attributes:
        sha256: of the bytes received, compressed if they were.
        shape: (X, Y, Z) voxels.
        affine: four rows of four, voxel index to world mm (RAS+).
        axes: nearest anatomical axes of the array, such as ``PSR``.
    """

    sha256: str
    shape: tuple[int, ...]
    affine: tuple[tuple[float, ...], ...]
    axes: str

    @classmethod
    def of(cls, sha256: str, geometry: Geometry) -> InputRecord:
        """The record of a scan with these bytes on this grid."""
        affine = tuple(tuple(map(float, row)) for row in geometry.affine)
        return cls(sha256, geometry.shape, affine, geometry.axcodes)


@dataclass(frozen=True, slots=True)
class Manifest:
    """How a bundle was made. A caller fills the first six; ``write_bundle`` completes the rest.

    Attributes:
        task: ``predict`` or ``label``.
        software: version of each program and library that had a part.
        parameters: every setting that changes the result; plain JSON values.
        weights: SHA-256 of the weights by network, None where there is no file of weights.
        seconds: wall-clock seconds by step, in the order of the steps.
        warnings: what the user should know, one sentence each.
        input: the scan as received.
        files: SHA-256 of each file of the bundle by its fixed name.
    """

    task: str
    software: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, str | None] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    input: InputRecord | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The manifest as indented JSON; numbers of NumPy become plain ones.

        Raises:
            TypeError, ValueError: a parameter is not a JSON value (an object, NaN, infinity).
        """
        record = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        return json.dumps(record, indent=2, allow_nan=False, default=_plain) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: not JSON, or of another schema version.
            TypeError: a field is missing or unknown.
        """
        record = json.loads(text)
        found = record.pop("schema_version", None)
        if found != SCHEMA_VERSION:
            raise ValueError(f"a manifest of schema version {found}; this is {SCHEMA_VERSION}")
        scan = record.pop("input")
        if scan is not None:
            affine = tuple(map(tuple, scan["affine"]))
            scan = InputRecord(scan["sha256"], tuple(scan["shape"]), affine, scan["axes"])
        return cls(**{**record, "warnings": tuple(record["warnings"])}, input=scan)


def software_versions(distributions: Iterable[str] = ()) -> dict[str, str]:
    """Versions of Python, of Parcela and of the named installed distributions; those not installed are left out."""
    found = {"python": platform.python_version()}
    for name in ("parcela", *distributions):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} cannot stand in a manifest")
