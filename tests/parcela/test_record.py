"""Records: what a document writes, and what it refuses."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from parcela.record import BadRecord, Document


class Note(Document):
    """A document of one line."""

    version: Literal[1] = 1
    values: dict[str, Any]


class LongNote(Note):
    """The same with a line for each value."""

    indent: ClassVar[int | None] = 2


def test_given_numpys_numbers_and_arrays_when_written_then_they_are_plain() -> None:
    values = {"n": np.int64(2), "half": np.float32(0.5), "affine": np.eye(2), "pair": (1, None)}
    text = '{"version": 1, "values": {"n": 2, "half": 0.5, "affine": [[1.0, 0.0], [0.0, 1.0]], "pair": [1, null]}}'
    assert Note(values=values).to_json() == text
    assert Note.from_json(text).to_json() == text


def test_given_a_document_for_people_then_each_value_has_its_line() -> None:
    text = LongNote(values={"größe": 1}).to_json()
    assert text == '{\n  "version": 1,\n  "values": {\n    "gr\\u00f6\\u00dfe": 1\n  }\n}\n'
    assert LongNote.from_json(text).values == {"größe": 1}


@pytest.mark.parametrize("value", [float("nan"), np.inf, object()])
def test_given_a_value_that_json_does_not_have_then_nothing_is_written(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match="JSON"):
        Note(values={"x": value}).to_json()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'{"version": 2, "values": {}}', "version: Input should be 1, not 2"),
        (b'{"values": {}}', "version: Field required"),
        (b'{"version": 1}', "values: Field required"),
        (b'{"version": 1, "val', "it: Invalid JSON"),
        (b"\xff\xfe", "it: Invalid JSON"),
        (b"[]", "it: Input should be an object"),
    ],
)
def test_given_a_damaged_document_when_read_then_it_says_where(text: bytes, says: str) -> None:
    with pytest.raises(BadRecord, match=f"unreadable note record: {says}"):
        Note.from_json(text)
