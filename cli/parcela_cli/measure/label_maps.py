"""A label map as a file: read with checks, whatever ids it has, and carried to another grid by nearest neighbour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.atlas.crosswalk import Ids, converted, scheme_of
from parcela.errors import BadScan
from parcela.imaging.geometry import Affine, Geometry
from parcela.imaging.label_map import write_ids
from parcela.imaging.volume import read_volume
from parcela.options import IdScheme


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A label map and its grid.

    Attributes:
        labels: (X, Y, Z) uint16, in the scheme that it was read in.
        geometry: the grid.
        scheme: of the ids.
    """

    labels: Ids
    geometry: Geometry
    scheme: IdScheme = "parcela"

    def in_scheme(self, scheme: IdScheme) -> LabelMap:
        """The same map with another scheme's ids."""
        return LabelMap(converted(self.labels, self.scheme, scheme), self.geometry, scheme)

    def ids_present(self) -> list[int]:
        """The ids of the map's regions that have a voxel."""
        return [int(index) for index in np.unique(self.labels) if index]

    def on_grid(self, target: Geometry, motion: Affine | None = None) -> LabelMap:
        """The map on another grid by nearest neighbour: 0 where it does not reach, no label ever mixed.

        Args:
            target: the grid.
            motion: (4, 4), from the target's world (RAS+ mm) to the map's, where they are not the same.
        """
        to_map = np.linalg.inv(self.geometry.affine) @ (np.eye(4) if motion is None else motion)
        labels = ndimage.affine_transform(
            self.labels, to_map @ target.affine, output_shape=target.shape, order=0, cval=0
        )
        return LabelMap(labels, target, self.scheme)


def read_label_map(path: Path, scheme: IdScheme | None = None) -> LabelMap:
    """Read a label map of AAL's regions.

    Args:
        path: NIfTI.
        scheme: of its ids; unless given, SPM's codes are recognised and anything else is taken for Parcela's.

    Raises:
        BadScan: the file is damaged, or holds anything but whole numbers. BadRequest: an id is no region's.
    """
    volume = read_volume(path)
    if volume.data.min() < 0 or (volume.data != np.rint(volume.data)).any():
        raise BadScan(f"{path}: holds values that are no ids: give a label map, not an image")
    if volume.data.max() > np.iinfo(np.uint16).max:
        raise BadScan(f"{path}: value {volume.data.max():g} is no id of AAL")
    labels: NDArray[np.uint16] = volume.data.astype(np.uint16)
    recognised = scheme_of(labels)
    source: IdScheme = scheme or recognised or "parcela"
    converted(labels, source, source)  # every id must be one of the scheme's
    return LabelMap(labels, volume.geometry, source)


def write_map(path: Path, label_map: LabelMap) -> None:
    """Write a label map with the ids that it has.

    Raises:
        OSError: the file cannot be written.
    """
    write_ids(path, label_map.labels, label_map.geometry)
