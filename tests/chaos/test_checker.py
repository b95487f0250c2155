"""The checker sees each way in which a promise can be broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chaos.checker import Evidence, redeliveries, violations
from parcela.jobs.ledger import Transition
from parcela.jobs.ledger_row import State
from parcela.jobs.records import Job, Outcome

KEPT, ERASED = "0" * 32, "f" * 32
TOKEN, OTHER = "aa", "bb"


def step(was: State, became: State, why: str, token: str = "", job_id: str = KEPT) -> Transition:
    return Transition(1.0, job_id, was, became, "preprocess", token, 1, "worker", why)


LIFE = [
    step("absent", "waiting", "added"),
    step("waiting", "running", "claimed", TOKEN),
    step("running", "waiting", "advanced", TOKEN),
    step("waiting", "running", "claimed", OTHER),
    step("running", "done", "advanced", OTHER),
]


def evidence() -> Evidence:
    """One job done and one deleted, all as it should be."""
    job = Job(
        id=KEPT,
        kind="predict",
        owner="local",
        status="done",
        stage=None,
        waiting=False,
        created=1.0,
        finished=2.0,
        tokens={"preprocess": TOKEN, "inference": OTHER},
    )
    return Evidence(
        expected={KEPT: b"result", ERASED: b"other"},
        deleted={ERASED},
        eras=[list(LIFE)],
        rows={KEPT: job},
        outcomes={KEPT: Outcome.of(job)},
        results={KEPT: b"result"},
        left={KEPT: 4, ERASED: 0},
    )


def stuck(found: Evidence) -> None:
    found.rows[KEPT] = found.rows[KEPT].model_copy(update={"status": "preprocessing"})


def failed(found: Evidence) -> None:
    found.rows[KEPT] = found.rows[KEPT].model_copy(update={"status": "failed"})
    found.outcomes[KEPT] = Outcome.of(found.rows[KEPT])


def second_token(found: Evidence) -> None:
    found.outcomes[KEPT] = found.outcomes[KEPT].model_copy(update={"token": TOKEN})


def back_again(found: Evidence) -> None:
    found.rows[ERASED] = found.rows[KEPT]


def test_given_all_promises_kept_then_nothing_is_found() -> None:
    assert violations(evidence()) == []
    assert redeliveries(evidence()) == 0


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda found: found.rows.clear(), "lost"),
        (stuck, "stuck: preprocessing, running"),
        (failed, "failed: None"),
        (second_token, "two ends: done bb, done aa in the store"),
        (lambda found: found.outcomes.clear(), "no outcome in the store"),
        (lambda found: found.results.update({KEPT: b"resul"}), "its result differs"),
        (lambda found: found.results.clear(), "its result differs"),
        (back_again, "deleted, and back in the ledger"),
        (lambda found: found.left.update({ERASED: 2}), "deleted, and 2 files of it are left"),
        (lambda found: found.remarks.append("seen"), "seen"),
        (lambda found: found.eras[0].append(LIFE[-1]), "had ended (done) when advanced"),
        (lambda found: found.eras[0].pop(1), "was waiting, not running, when advanced"),
    ],
)
def test_given_a_broken_promise_then_it_is_named(
    break_it: Callable[[Evidence], object], says: str
) -> None:
    found = evidence()
    break_it(found)
    assert any(says in violation for violation in violations(found))


def test_given_a_step_by_a_worker_that_had_lost_the_job_then_it_is_named() -> None:
    found = evidence()
    found.eras[0][2] = replace(LIFE[2], token=OTHER)
    assert violations(found) == [f"era 1: {KEPT} was another's when advanced by worker"]


def test_given_a_loss_of_memory_then_the_next_era_begins_anew() -> None:
    found = evidence()
    found.eras = [LIFE[:3], [replace(LIFE[0], why="restored"), *LIFE[1:]]]
    assert violations(found) == []
    assert redeliveries(found) == 1
