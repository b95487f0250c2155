"""The query of a submission. An empty value means the default: that is what the thesis's client sends for the model."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from parcela.errors import BadRequest
from parcela.options import LabelOptions, Options, PredictOptions

Asked = TypeVar("Asked", bound=Options)
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="the same key with the same scan and options is the same job, however often it is sent",
    ),
]


class OptionsQuery(BaseModel):
    """What a query adds to the options. A parameter that is unknown, perhaps misspelt, is refused."""

    model_config = ConfigDict(extra="forbid")

    other_name: bool | None = Field(
        None, alias="preprocess", description="another name for `preprocessing`"
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value != ""}

    def chosen(self, options: type[Asked]) -> Asked:
        """The options themselves. Raises BadRequest: the two names of ``preprocess`` disagree."""
        values = self.model_dump(include=set(options.model_fields))
        if self.other_name is not None and self.other_name != values["preprocess"]:
            raise BadRequest("preprocessing and preprocess say the opposite: give one of them")
        return options(**values)


class PredictQuery(PredictOptions, OptionsQuery):
    """How a scan shall be parcellated."""


class LabelQuery(LabelOptions, OptionsQuery):
    """How a scan shall be labelled by registration of the atlas."""


Predict = Annotated[PredictQuery, Query()]
Label = Annotated[LabelQuery, Query()]
