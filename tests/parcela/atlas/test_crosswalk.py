"""The ids of other programs, beside their own published tables."""

from __future__ import annotations

import numpy as np
import pytest

from parcela.atlas.aal import region, regions
from parcela.atlas.crosswalk import converted, ids_of, scheme_of
from parcela.errors import BadRequest
from parcela.options import IdScheme

# MRtrix3, share/mrtrix3/labelconvert/aal.txt: the names in the order of its ids, sides as its blocks have them.
MRTRIX_CORTEX = """Precentral Frontal_Sup Frontal_Sup_Orb Frontal_Mid Frontal_Mid_Orb Frontal_Inf_Oper Frontal_Inf_Tri
Frontal_Inf_Orb Rolandic_Oper Supp_Motor_Area Olfactory Frontal_Sup_Medial Frontal_Med_Orb Rectus Insula Cingulum_Ant
Cingulum_Mid Cingulum_Post Hippocampus ParaHippocampal Amygdala Calcarine Cuneus Lingual Occipital_Sup Occipital_Mid
Occipital_Inf Fusiform Postcentral Parietal_Sup Parietal_Inf SupraMarginal Angular Precuneus Paracentral_Lobule Heschl
Temporal_Sup Temporal_Pole_Sup Temporal_Mid Temporal_Pole_Mid Temporal_Inf"""
MRTRIX_NUCLEI = "Caudate Putamen Pallidum Thalamus"
MRTRIX_CEREBELLUM = "Crus1 Crus2 3 4_5 6 7b 8 9 10"  # each with Cerebelum_ before it
MRTRIX_VERMIS = "1_2 3 4_5 6 7 8 9 10"

# AAL's readme ("III.2 ROI_MNI_V4_list.mat"), the codes of the left regions and of the vermis, in its order.
SPM_LEFT_AND_VERMIS = """2001 2101 2111 2201 2211 2301 2311 2321 2331 2401 2501 2601 2611 2701 3001 4001 4011 4021 4101
4111 4201 5001 5011 5021 5101 5201 5301 5401 6001 6101 6201 6211 6221 6301 6401 7001 7011 7021 7101 8101 8111 8121 8201
8211 8301 9001 9011 9021 9031 9041 9051 9061 9071 9081 9100 9110 9120 9130 9140 9150 9160 9170"""


def mrtrix_names() -> list[str]:
    cerebellum = [f"Cerebelum_{part}" for part in MRTRIX_CEREBELLUM.split()]
    cortex, nuclei = MRTRIX_CORTEX.split(), MRTRIX_NUCLEI.split()
    left = [f"{name}_L" for name in (*cortex, *nuclei, *cerebellum)]
    right = [f"{name}_R" for name in (*cerebellum, *nuclei, *cortex)]
    return [*left, *(f"Vermis_{part}" for part in MRTRIX_VERMIS.split()), *right]


def test_given_mrtrix_own_table_then_the_ids_are_its() -> None:
    ids = ids_of("mrtrix")
    assert [int(ids[region(name).index]) for name in mrtrix_names()] == list(range(1, 117))


def test_given_the_authors_own_codes_then_the_ids_are_theirs() -> None:
    published = sorted(int(code) for code in SPM_LEFT_AND_VERMIS.split())
    ids = ids_of("spm")
    assert [int(ids[r.index]) for r in regions() if r.hemisphere != "R"] == published
    for pair in regions():
        if pair.hemisphere == "R":
            assert ids[pair.index] == ids[pair.index - 1] + 1


@pytest.mark.parametrize("scheme", ["parcela", "spm", "mrtrix"])
def test_given_a_map_when_converted_and_back_then_it_is_equal(scheme: IdScheme) -> None:
    labels = np.random.default_rng(0).integers(0, 117, (9, 8, 7)).astype(np.uint8)
    there = converted(labels, "parcela", scheme)
    assert (there[labels == 0] == 0).all()
    assert np.array_equal(converted(there, scheme, "parcela"), labels)


def test_given_values_then_spms_codes_are_recognised_and_another_atlas_is_refused() -> None:
    assert scheme_of(np.array([0, 2001, 9170])) == "spm"
    assert scheme_of(np.array([0, 1, 116])) is None
    with pytest.raises(BadRequest, match=r"value 120 .* another atlas"):
        scheme_of(np.array([0, 1, 120]))
    with pytest.raises(BadRequest, match="value 2003 is no id of AAL in the scheme 'spm'"):
        converted(np.array([2003]), "spm", "parcela")
