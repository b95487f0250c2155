"""What a map cites: the works that had a part in it, each as CITATION.cff has it."""

from __future__ import annotations

import re
from pathlib import Path

from parcela.bundle.citations import citations, works
from parcela.bundle.manifest import Manifest


def test_given_the_works_then_citation_cff_has_the_same_titles_and_addresses(
    checkout: Path,
) -> None:
    text = (checkout / "CITATION.cff").read_text(encoding="utf-8")
    references = re.findall(r'^ +- type:.*\n +title: "(.*)"[\s\S]*?doi: (\S+)', text, re.MULTILINE)

    assert len(references) == len(works())
    for title, doi in references:
        (work,) = (work for work in works().values() if work.endswith(f"doi:{doi}"))
        assert title in work


def test_given_a_prediction_then_it_cites_what_it_used_and_no_more() -> None:
    made = Manifest(
        task="predict",
        software={"parcela": "9.8"},
        parameters={"preprocess": True, "stripped_by": "deepbet"},
        weights={"unet": "ab"},
        volumes={"brain_mm3": 1.0, "grey_mm3": 1.0},
    )
    used = ("AAL", "Colin27", "MONAI", "unet", "SyN", "deepbet", "N4", "Atropos")

    assert citations(made) == (
        "The Parcela authors. Parcela 9.8",
        *(works()[name] for name in used),
    )


def test_given_a_registration_of_a_stripped_brain_then_neither_network_nor_stripper_is_cited() -> (
    None
):
    made = Manifest(
        task="label",
        parameters={"preprocess": False, "stripped_by": "scan"},
        volumes={"etiv_affine_mm3": 1.0},
    )

    assert citations(made)[1:] == tuple(works()[name] for name in ("AAL", "Colin27", "SyN", "eTIV"))
