"""Options: declared once, and every place that takes them agrees."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest

import parcela
from parcela.errors import BadRequest
from parcela.options import LabelOptions, Options, PredictOptions, choosing, networks_of
from parcela_cli.commands.bids import bids
from parcela_cli.commands.label import label
from parcela_cli.commands.predict import predict


@pytest.mark.parametrize(
    ("options", "function"),
    [
        (PredictOptions, parcela.predict),
        (PredictOptions, parcela.Client.submit),
        (PredictOptions, predict),
        (LabelOptions, parcela.Client.label),
        (LabelOptions, label),
    ],
)
def test_given_a_function_that_takes_options_then_names_types_and_defaults_are_the_declared_ones(
    options: type[Options], function: Callable[..., Any]
) -> None:
    types, parameters = get_type_hints(function), inspect.signature(function).parameters
    for name, field in options.model_fields.items():
        assert types[name] == field.annotation, name
        assert parameters[name].default == field.default, name


def test_given_a_bids_data_set_then_it_takes_every_option_but_the_grid() -> None:
    types, parameters = get_type_hints(bids), inspect.signature(bids).parameters
    assert PredictOptions.model_fields.keys() - parameters.keys() == {
        "space"
    }  # BIDS has the scan's
    for name in PredictOptions.model_fields.keys() - {"space"}:
        field = PredictOptions.model_fields[name]
        assert types[name] == field.annotation, name
        assert parameters[name].default == field.default, name


@pytest.mark.parametrize("name", ["preprocess", "preprocessing"])
def test_given_either_name_of_preprocess_when_read_then_it_counts(name: str) -> None:
    assert PredictOptions.model_validate({name: False}) == PredictOptions(preprocess=False)


def test_given_options_then_a_record_of_them_has_the_name_that_earlier_gateways_read() -> None:
    record = json.loads(PredictOptions(preprocess=False).model_dump_json(by_alias=True))
    assert record == {
        "model": "warp",
        "preprocessing": False,
        "skull_strip": "auto",
        "fast": False,
        "space": "native",
        "tissues": False,
        "standard_space": False,
        "probabilities": False,
        "exact": False,
    }


def test_given_no_preprocessing_then_the_manifest_names_nothing_that_found_the_brain() -> None:
    for kind in (PredictOptions, LabelOptions):
        assert kind().parameters()["skull_strip"] == "auto"
        assert kind(preprocess=False).parameters()["skull_strip"] is None


@pytest.mark.parametrize(
    ("chosen", "stripping"),
    [({}, "auto"), ({"fast": True}, "deepbet"), ({"fast": True, "skull_strip": "robex"}, "robex")],
)
def test_given_fast_then_deepbet_finds_the_brain_unless_something_else_is_asked_for(
    chosen: dict[str, Any], stripping: str
) -> None:
    for kind in (PredictOptions, LabelOptions):
        assert kind(**chosen).stripping == stripping


def test_given_a_choice_of_networks_then_both_means_each() -> None:
    assert networks_of("both") == ("unet", "highresnet")
    assert networks_of("unet") == ("unet",)


def test_given_a_value_that_is_none_of_those_known_then_the_refusal_names_it_and_them() -> None:
    with (
        pytest.raises(
            BadRequest, match=r"model='vgg': Input should be 'unet', 'highresnet', 'warp'"
        ),
        choosing(),
    ):
        PredictOptions.model_validate({"model": "vgg"})
