from __future__ import annotations

import pytest

from parcela.errors import BadRequest
from parcela_training.training.budget import Budget, parse_budget


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("10m", Budget(minutes=10)),
        ("1.5 h", Budget(minutes=90)),
        ("500steps", Budget(steps=500)),
        ("3epochs", Budget(epochs=3)),
        ("0.5 epoch", Budget(epochs=0.5)),
    ],
)
def test_given_a_budget_in_words_when_read_then_it_is_that(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["", "10", "ten minutes", "1.5steps", "0m", "-3epochs", "5 days"])
def test_given_nonsense_when_read_then_it_says_what_to_write(text: str) -> None:
    with pytest.raises(BadRequest, match=r"10m|500steps"):
        parse_budget(text)


def test_given_several_ends_then_the_first_to_come_counts() -> None:
    budget = Budget(epochs=10, minutes=1)
    assert budget.fraction(epochs=5, steps=50, seconds=6) == 0.5
    assert budget.fraction(epochs=5, steps=50, seconds=45) == 0.75
    assert budget.fraction(epochs=12, steps=50, seconds=0) == 1.0
    assert str(budget) == "10 epochs or 1 minutes"


def test_given_no_end_then_it_is_refused() -> None:
    with pytest.raises(BadRequest, match="above 0"):
        Budget()
