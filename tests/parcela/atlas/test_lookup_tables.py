"""The look-up tables of other programs: what each of them reads, and its own published places and numbers."""

from __future__ import annotations

from io import StringIO
from typing import get_args

import pandas as pd
import pytest

from parcela.atlas.aal import regions
from parcela.atlas.crosswalk import ids_of
from parcela.atlas.lookup_tables import lookup_table
from parcela.options import Program


def content_lines(program: Program) -> list[str]:
    return [line for line in lookup_table(program).splitlines() if not line.startswith("#")]


def test_given_freesurfer_and_itksnap_then_each_holds_116_regions_and_the_background() -> None:
    freesurfer = [line.split() for line in content_lines("freesurfer")]
    itksnap = [line.split(maxsplit=7) for line in content_lines("itksnap")]
    assert [int(fields[0]) for fields in freesurfer] == list(range(117))
    assert [int(fields[0]) for fields in itksnap] == list(range(117))
    for region, lut, snap in zip(regions(), freesurfer[1:], itksnap[1:], strict=True):
        assert lut[1:] == [region.name, *map(str, region.rgb), "0"]
        assert snap[1:] == [*map(str, region.rgb), "1", "1", "1", f'"{region.name}"']


@pytest.mark.parametrize("program", get_args(Program))
def test_given_any_program_then_every_region_is_in_its_table_once(program: Program) -> None:
    words = lookup_table(program).replace('"', " ").split()
    assert {region.name for region in regions()} <= set(words)
    assert words.count("Thalamus_R") == (2 if program == "spm" else 1)


def test_given_spm_and_mricron_then_names_stand_beside_codes() -> None:
    assert lookup_table("spm").splitlines()[0] == "Precentral_L\tPrecentral_L\t2001"
    assert lookup_table("mricron").splitlines()[-1] == "116 Vermis_10 9170"


def test_given_mrtrix_then_the_lines_are_in_the_order_of_its_ids() -> None:
    rows = [line.split() for line in content_lines("mrtrix")]
    assert [int(row[0]) for row in rows] == list(range(117))
    assert (rows[2][1], rows[63][1]) == ("Frontal_Sup_L", "Cerebelum_Crus1_R")
    assert ids_of("mrtrix")[116] == 62


def test_given_brainnet_then_the_places_are_those_of_its_own_node_file_a_voxel_to_the_left() -> (
    None
):
    """BrainNet Viewer's Node_AAL90.node, the first regions, to the whole millimetre; the first one in full.

    MRIcron's copy of the atlas, which Parcela carries, has its origin one voxel (1 mm) further left than SPM's.
    """
    published = [(-39, -6, 51), (41, -8, 52), (-18, 35, 42), (22, 31, 44), (-17, 47, -13)]
    published += [(18, 48, -14), (-33, 33, 35), (38, 33, 34), (-31, 50, -10), (33, 53, -11)]
    rows = [line.split("\t") for line in content_lines("brainnet")]
    assert len(rows) == 116
    for row, (x, y, z) in zip(rows, published, strict=False):
        assert [float(value) for value in row[:3]] == pytest.approx((x - 1, y, z), abs=0.51)
    assert [float(value) + 1 for value in rows[0][:1]] + rows[0][1:3] == [-38.65, "-5.68", "50.94"]


def test_given_nilearn_then_its_masker_takes_the_table() -> None:
    table = pd.read_csv(StringIO(lookup_table("nilearn")), sep="\t")
    assert list(table.columns) == ["index", "name", "color"]
    assert list(table["index"]) == list(range(117))
