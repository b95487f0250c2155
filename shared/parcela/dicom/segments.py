"""The 116 regions as segments of a DICOM segmentation: their codes, sides, colours, and what drew them.

Codes: SNOMED CT where DICOM's own tables (PS3.16, CID 7140 and 7153) have the structure itself; else AAL's number and
name in a private coding scheme, with the lobe by SNOMED CT beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from parcela.atlas.aal import Region, regions

SCHEME = "99PARCELA"
STRUCTURES = {
    "Insula": codes.SCT.Insula,
    "Hippocampus": codes.SCT.Hippocampus,
    "Amygdala": codes.SCT.Amygdala,
    "Caudate": codes.SCT.CaudateNucleus,
    "Putamen": codes.SCT.Putamen,
    "Pallidum": codes.SCT.GlobusPallidus,
    "Thalamus": codes.SCT.Thalamus,
}
LOBES = {
    "Frontal": codes.SCT.FrontalLobe,
    "Central": codes.SCT.CerebralCortex,
    "Parietal": codes.SCT.ParietalLobe,
    "Occipital": codes.SCT.OccipitalLobe,
    "Temporal": codes.SCT.TemporalLobe,
    "Limbic": codes.SCT.LimbicLobe,
    "Insula": codes.SCT.Insula,
    "Subcortical grey nuclei": codes.SCT.Brain,
    "Cerebellum": codes.SCT.Cerebellum,
    "Vermis": codes.SCT.Cerebellum,
}
SIDES = {"L": codes.SCT.Left, "R": codes.SCT.Right}
coded = partial(hd.sr.CodedConcept.from_code)


def descriptions() -> list[hd.seg.SegmentDescription]:
    """A description for each region; a segment has the region's id as its number."""
    return [_description(region) for region in regions()]


def property_type(region: Region) -> Code:
    """What a region is, coded."""
    structure: Code | None = STRUCTURES.get(region.name.removesuffix(f"_{region.hemisphere}"))
    return structure or Code(str(region.code), SCHEME, region.name)


def coding_scheme() -> Dataset:
    """What the private coding scheme is, for the segmentation's header."""
    scheme = Dataset()
    scheme.CodingSchemeDesignator = SCHEME
    scheme.CodingSchemeName = "AAL: the numbers of its authors"
    scheme.CodingSchemeResponsibleOrganization = "Parcela"
    return scheme


def _description(region: Region) -> hd.seg.SegmentDescription:
    described = hd.seg.SegmentDescription(
        segment_number=region.index,
        segment_label=region.name,
        segmented_property_category=codes.cid7150.AnatomicalStructure,
        segmented_property_type=property_type(region),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=_algorithm(),
        anatomic_regions=[LOBES[region.lobe]],
        display_color=hd.color.CIELabColor.from_rgb(*region.rgb),
    )
    if region.hemisphere in SIDES:
        side: Sequence[Dataset] = [coded(SIDES[region.hemisphere])]
        described.SegmentedPropertyTypeCodeSequence[
            0
        ].SegmentedPropertyTypeModifierCodeSequence = side
        described.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = side
    return described


def _algorithm() -> hd.AlgorithmIdentificationSequence:
    return hd.AlgorithmIdentificationSequence(
        name="Parcela",
        family=codes.DCM.ArtificialIntelligence,
        version=version("parcela"),
    )
