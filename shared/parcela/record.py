"""Records: frozen values that travel as JSON, and are checked when they are read."""

from __future__ import annotations

import json
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from parcela.errors import ParcelaError

VERSION_FIELDS = {"version", "schema_version"}  # have a default, but must stand in what is read


class BadRecord(ParcelaError):
    """A record is damaged, or of a version that this release does not know."""

    slug = "bad-record"


class Record(BaseModel):
    """Something frozen that travels as JSON."""

    model_config = ConfigDict(frozen=True)

    def to_json(self) -> str:
        """The record as one JSON object, its defaults written out."""
        return self.model_dump_json(by_alias=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            BadRecord: it is damaged, or of another version.
        """
        try:
            record = cls.model_validate_json(text)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            place = ".".join(map(str, fault["loc"])) or "it"
            given = f", not {fault['input']!r}" if fault["type"] == "literal_error" else ""
            raise cls._unreadable(f"{place}: {fault['msg']}{given}") from error
        for field in (VERSION_FIELDS & cls.model_fields.keys()) - record.model_fields_set:
            raise cls._unreadable(f"{field}: Field required")
        return record

    @classmethod
    def _unreadable(cls, reason: str) -> BadRecord:
        return BadRecord(f"unreadable {cls.__name__.lower()} record: {reason}")


class Document(Record):
    """A record that fills a file. Its numbers and arrays may be NumPy's: they are written as plain ones."""

    indent: ClassVar[int | None] = None  # spaces a level, for people; None: all on one line

    def to_json(self) -> str:
        """The record as JSON, its defaults written out; floats in full, so that they read back equal.

        Raises:
            TypeError, ValueError: a value is none of JSON's (an object, NaN, infinity).
        """
        values = self.model_dump(by_alias=True)
        text = json.dumps(values, indent=self.indent, allow_nan=False, default=_without_numpy)
        return text if self.indent is None else f"{text}\n"


def _without_numpy(value: object) -> object:
    import numpy as np  # here, so that the command's help loads no NumPy

    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} cannot stand in JSON")
