"""The manifest: how the files of one job were made, from which bytes, by what.

It names files by their fixed names and holds neither the scan's name nor a path: it is the same wherever it was made.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, Literal

from parcela.imaging.geometry import Geometry
from parcela.quality.verdict import Quality
from parcela.record import Document, Record


class InputRecord(Record):
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
        affine = geometry.affine.tolist()
        return cls(sha256=sha256, shape=geometry.shape, affine=affine, axes=geometry.axcodes)


class Manifest(Document):
    """How a bundle was made: ``write_bundle`` completes it with the scan, every warning and the files.

    Attributes:
        task: ``predict`` or ``label``.
        software: version of each program and library that had a part.
        parameters: every setting that changes the result; plain JSON values.
        weights: SHA-256 of the weights by network, None where there is no file of weights.
        seconds: wall-clock seconds by step, in the order of the steps.
        warnings: what the user should know, one sentence each.
        input: the scan as received.
        quality: the verdict on the map, and what it rests on; None where nothing judged it.
        volumes: of the whole brain and head, in mm³, by name (``docs/volumes.md``).
        citations: the works that the map rests on, to be cited.
        files: SHA-256 of each file of the bundle by its fixed name.
    """

    indent: ClassVar[int | None] = 2

    schema_version: Literal[1] = 1
    task: str
    software: Mapping[str, str] = {}
    parameters: Mapping[str, Any] = {}
    weights: Mapping[str, str | None] = {}
    seconds: Mapping[str, float] = {}
    warnings: tuple[str, ...] = ()
    input: InputRecord | None = None
    quality: Quality | None = None
    volumes: Mapping[str, float] = {}
    citations: tuple[str, ...] = ()
    files: Mapping[str, str] = {}

    @property
    def remarks(self) -> tuple[str, ...]:
        """The verdict, as a result line says it."""
        return (f"quality {self.quality.verdict}",) if self.quality is not None else ()


@dataclass(frozen=True)
class Origin:
    """The service's job that a bundle is of: by this a printed report leads back to its files.

    Attributes:
        job: its id.
        received: when its scan came, in Unix seconds.
    """

    job: str
    received: float

    @property
    def date(self) -> str:
        """The day on which the scan came, by UTC, as ISO 8601 has it."""
        return datetime.fromtimestamp(self.received, UTC).date().isoformat()


def software_versions(distributions: Iterable[str] = ()) -> dict[str, str]:
    """Versions of Python, of Parcela and of the named installed distributions; those not installed are left out."""
    versions = {"python": platform.python_version()}
    for name in ("parcela", *distributions):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
