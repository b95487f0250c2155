"""AAL as carried: the right ids on the right side, undamaged, in colours that tell neighbours apart."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from parcela.atlas import aal as atlas
from parcela.errors import BadRequest, Unavailable
from parcela.settings import settings

LOBES = {
    "Central": 6,
    "Frontal": 26,
    "Insula": 2,
    "Limbic": 14,
    "Subcortical grey nuclei": 10,
    "Occipital": 14,
    "Parietal": 10,
    "Temporal": 8,
    "Cerebellum": 18,
    "Vermis": 8,
}


def test_given_the_label_volume_when_read_then_its_ids_are_0_to_116() -> None:
    labels, _ = atlas.atlas_labels()

    assert labels.dtype == np.uint8
    assert labels.shape == (181, 217, 181)
    assert np.unique(labels).tolist() == list(range(atlas.CLASS_COUNT))


def test_given_the_label_volume_then_odd_ids_lie_left_even_right_and_the_vermis_in_the_middle() -> (
    None
):
    labels, affine = atlas.atlas_labels()

    x_mm = np.arange(labels.shape[0]) * affine[0, 0] + affine[0, 3]  # the grid is axis-aligned
    for region in atlas.regions():
        per_slice = (labels == region.index).sum(axis=(1, 2))
        centre = float(per_slice @ x_mm / per_slice.sum())
        expected = "M" if region.index > 108 else "L" if region.index % 2 else "R"
        found = "M" if abs(centre) < 2 else "L" if centre < 0 else "R"
        assert (region.hemisphere, found) == (expected, expected), (region.name, centre)


def test_given_colin27_then_head_and_brain_share_the_labels_grid() -> None:
    labels, affine = atlas.atlas_labels()

    for path in (atlas.COLIN27_HEAD, atlas.COLIN27_BRAIN):
        image = nib.Nifti1Image.from_filename(atlas.intact(path))
        assert image.shape == labels.shape
        np.testing.assert_array_equal(image.affine, affine)


def test_given_the_table_then_ids_run_in_order_and_partners_are_mutual() -> None:
    known = atlas.regions()

    assert [region.index for region in known] == list(range(1, atlas.REGION_COUNT + 1))
    for region in known:
        if region.partner is None:
            assert region.name.startswith("Vermis_")
        else:
            other = known[region.partner - 1]
            assert other.partner == region.index
            assert other.name[:-1] == region.name[:-1]
            assert other.name[-1] + region.name[-1] in ("LR", "RL")


def test_given_the_table_then_every_region_has_its_lobe() -> None:
    found = [region.lobe for region in atlas.regions()]

    assert {lobe: found.count(lobe) for lobe in found} == LOBES


@pytest.mark.parametrize("asked", [37, "Hippocampus_L", "hippocampus_l"])
def test_given_an_id_or_a_name_when_asked_then_the_region_is_found(asked: int | str) -> None:
    region = atlas.region(asked)

    assert (region.index, region.name, region.code) == (37, "Hippocampus_L", 4101)
    assert (region.hemisphere, region.lobe, region.partner) == ("L", "Limbic", 38)


@pytest.mark.parametrize("asked", [0, 117, -1, "Hippocampus", ""])
def test_given_no_such_region_when_asked_then_the_error_repeats_it(asked: int | str) -> None:
    with pytest.raises(BadRequest, match=re.escape(repr(asked))):
        atlas.region(asked)


def test_given_the_flip_table_then_it_exchanges_sides_and_undoes_itself() -> None:
    table = atlas.flip_table()

    assert table.shape == (117,)
    assert table.dtype == np.uint8
    assert [int(table[i]) for i in (0, 1, 2, 107, 108, 109, 116)] == [0, 2, 1, 108, 107, 109, 116]
    np.testing.assert_array_equal(table[table], np.arange(117))


def test_given_a_mirrored_volume_when_relabelled_then_left_names_lie_left_again() -> None:
    labels, affine = atlas.atlas_labels()

    mirrored = atlas.flip_table()[labels[::-1]]

    x_mm = np.arange(labels.shape[0]) * affine[0, 0] + affine[0, 3]
    per_slice = (mirrored == atlas.region("Precentral_L").index).sum(axis=(1, 2))
    assert per_slice @ x_mm / per_slice.sum() < -20


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the label volume that the atlas reads in place of its own."""
    path = Path(shutil.copy(atlas.AAL_LABELS, tmp_path))
    monkeypatch.setattr(atlas, "AAL_LABELS", path)
    return path


def test_given_one_changed_byte_when_read_then_the_damage_is_named(copied: Path) -> None:
    content = bytearray(copied.read_bytes())
    content[5000] ^= 1
    copied.write_bytes(content)

    with pytest.raises(Unavailable, match=r"aal\.nii\.gz.*damaged"):
        atlas.atlas_labels()


def test_given_a_missing_file_when_read_then_it_is_named(copied: Path) -> None:
    copied.unlink()

    with pytest.raises(Unavailable, match=r"aal\.nii\.gz.*missing"):
        atlas.atlas_labels()


def test_given_a_copy_of_ones_own_when_set_then_it_is_read_and_its_bytes_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, _ = atlas.atlas_labels()
    shutil.copy(atlas.AAL_LABELS, tmp_path)
    monkeypatch.setenv("PARCELA_ATLAS", str(tmp_path))
    settings.cache_clear()
    try:
        assert atlas.intact(atlas.AAL_LABELS) == tmp_path / "aal.nii.gz"
        np.testing.assert_array_equal(atlas.atlas_labels()[0], before)
        assert len(atlas.regions()) == atlas.REGION_COUNT  # this table is Parcela's own
        with pytest.raises(Unavailable, match=r"ch2\.nii\.gz.*missing: PARCELA_ATLAS must hold"):
            atlas.intact(atlas.COLIN27_HEAD)
        (tmp_path / "aal.nii.gz").write_bytes(b"another atlas")
        with pytest.raises(Unavailable, match=r"aal\.nii\.gz.*damaged"):
            atlas.atlas_labels()
    finally:
        settings.cache_clear()


def test_given_the_colours_then_all_differ_and_a_pair_shares_its_hue() -> None:
    colors = {region.index: oklab(region.rgb) for region in atlas.regions()}

    assert len({region.color for region in atlas.regions()}) == atlas.REGION_COUNT
    for left in range(1, 109, 2):
        (light, *a), (dark, *b) = colors[left], colors[left + 1]
        assert light > dark + 0.05, "the left is the lighter"
        assert np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b) > np.cos(np.radians(10))


def test_given_regions_that_touch_then_their_colours_are_far_apart() -> None:
    labels, _ = atlas.atlas_labels()
    colors = [np.zeros(3), *(oklab(region.rgb) for region in atlas.regions())]

    for i, j in touching(labels):
        if atlas.region(i).partner != j:
            assert np.linalg.norm(colors[i] - colors[j]) > 0.1, (i, j)


def test_given_the_script_in_the_documentation_when_run_then_it_gives_the_stored_colours(
    checkout: Path,
) -> None:
    page = (checkout / "docs/atlas.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(# palette.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(script, names)
    palette: Callable[[Any], dict[int, str]] = names["palette"]

    assert palette(atlas.atlas_labels()[0]) == {r.index: r.color for r in atlas.regions()}


def touching(labels: np.ndarray) -> set[tuple[int, int]]:
    """Pairs of ids that share a voxel face."""
    pairs: set[tuple[int, int]] = set()
    for axis in range(3):
        moved = np.moveaxis(labels, axis, 0).astype(int)
        code = np.minimum(moved[:-1], moved[1:]) * 117 + np.maximum(moved[:-1], moved[1:])
        pairs |= {divmod(int(c), 117) for c in np.unique(code)}
    return {(i, j) for i, j in pairs if 0 < i < j}


def oklab(rgb: tuple[int, int, int]) -> np.ndarray:
    """sRGB to OKLab (B. Ottosson 2020): lightness, green to red, blue to yellow."""
    bent = np.asarray(rgb) / 255
    linear = np.where(bent <= 0.04045, bent / 12.92, ((bent + 0.055) / 1.055) ** 2.4)
    to_lms = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    lab: np.ndarray = np.asarray(to_lab) @ np.cbrt(np.asarray(to_lms) @ linear)
    return lab
