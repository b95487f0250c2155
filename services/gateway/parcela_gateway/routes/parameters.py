"""The query of a submission. An empty value means the default: that is what the thesis's client sends for the model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from parcela.errors import BadRequest
from parcela.jobs.records import LabelOptions, PredictOptions, SkullStrip

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="the same key with the same scan and options is the same job, however often it is sent",
    ),
]


class Preprocessing(BaseModel):
    """What both kinds of job take. Unknown parameters are refused: a misspelt one must not pass for the default."""

    model_config = ConfigDict(extra="forbid")

    preprocessing: bool | None = Field(
        None, description="`false`: the scan is already skull-stripped and bias-corrected"
    )
    preprocess: bool | None = Field(None, description="another name for `preprocessing`")
    skull_strip: SkullStrip = Field("robex", description="what finds the brain")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value != ""}

    def wanted(self) -> bool:
        """Whether to preprocess; raises BadRequest when the two names disagree."""
        said = {value for value in (self.preprocessing, self.preprocess) if value is not None}
        if len(said) == 2:
            raise BadRequest("preprocessing and preprocess say the opposite: give one of them")
        return said.pop() if said else True


class PredictQuery(Preprocessing):
    """How a scan shall be parcellated."""

    model: Literal["unet", "highresnet", "both"] = Field("unet", description="which networks")
    space: Literal["native", "model"] = Field(
        "native", description="the grid of the label map: the scan's own, or the networks'"
    )

    def options(self) -> PredictOptions:
        return PredictOptions(
            model=self.model,
            preprocessing=self.wanted(),
            skull_strip=self.skull_strip,
            space=self.space,
        )


class LabelQuery(Preprocessing):
    """How a scan shall be labelled by registration of the atlas."""

    preset: Literal["modern", "thesis"] = Field("modern", description="preprocessing and opening")

    def options(self) -> LabelOptions:
        return LabelOptions(
            preset=self.preset, preprocessing=self.wanted(), skull_strip=self.skull_strip
        )


Predict = Annotated[PredictQuery, Query()]
Label = Annotated[LabelQuery, Query()]
