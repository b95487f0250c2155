"""Errors: each class tells a command how to end and a service what to answer."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from parcela.errors import (
    BadRequest,
    BadScan,
    LimitExceeded,
    ParcelaError,
    StepFailed,
    Unavailable,
)


def tree(root: type[ParcelaError] = ParcelaError) -> Iterator[type[ParcelaError]]:
    yield root
    for branch in root.__subclasses__():
        yield from tree(branch)


@pytest.mark.parametrize(
    ("kind", "exit_code", "status"),
    [
        (BadScan, 2, 422),
        (BadRequest, 2, 400),
        (StepFailed, 3, 500),
        (LimitExceeded, 3, 500),
        (Unavailable, 4, 503),
    ],
)
def test_given_a_class_of_error_then_its_exit_code_and_status_are_as_documented(
    kind: type[ParcelaError], exit_code: int, status: int
) -> None:
    assert (kind.exit_code, kind.status) == (exit_code, status)


def test_given_all_errors_then_each_has_a_slug_of_its_own() -> None:
    slugs = [kind.slug for kind in tree()]
    assert len(slugs) >= 6
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", slug) for slug in slugs)


def test_given_all_errors_then_none_ends_like_success_and_each_says_when_it_is_raised() -> None:
    for kind in tree():
        assert kind.exit_code != 0
        assert 400 <= kind.status < 600
        assert kind.__doc__
