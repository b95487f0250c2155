"""A job's records: what they refuse, and that they survive the way to the store and back."""

from __future__ import annotations

import json

import pytest

from parcela.errors import LimitExceeded
from parcela.jobs.records import (
    STAGES,
    STATUS_OF,
    TERMINAL,
    Job,
    JobRequest,
    Outcome,
    Problem,
    is_id,
    new_id,
)
from parcela.options import LabelOptions, PredictOptions
from parcela.quality.grade import Judgement
from parcela.record import BadRecord

ID = "0123456789abcdef0123456789abcdef"
PREDICT = JobRequest(
    id=ID,
    kind="predict",
    owner="local",
    created=1.5,
    sha256="ab" * 32,
    size=10,
    options=PredictOptions(model="both"),
)
DONE = Job(
    id=ID,
    kind="predict",
    owner="local",
    status="done",
    stage=None,
    waiting=False,
    progress=1,
    created=1.5,
    finished=9.5,
    tokens={"preprocess": "aa", "inference": "bb"},
    seconds={"n4": 2.0},
    quality=Judgement(verdict="look", reasons=("regions fall into pieces",)),
)


def test_given_a_request_when_it_comes_back_from_json_then_it_is_the_same() -> None:
    assert JobRequest.from_json(PREDICT.to_json()) == PREDICT


def test_given_a_request_of_version_1_when_read_then_its_scan_lies_beside_it() -> None:
    older = json.loads(PREDICT.to_json()) | {"version": 1}
    del older["upload"]
    request = JobRequest.from_json(json.dumps(older))
    assert (request.version, request.upload, request.options) == (1, "", PREDICT.options)


def test_given_options_that_fit_both_kinds_then_the_kind_decides() -> None:
    text = json.dumps(
        json.loads(PREDICT.to_json()) | {"kind": "label", "options": {"preprocessing": False}}
    )
    assert JobRequest.from_json(text).options == LabelOptions(preprocess=False)


def test_given_options_of_the_other_kind_then_the_request_is_refused() -> None:
    with pytest.raises(ValueError, match="a label job takes LabelOptions, not PredictOptions"):
        JobRequest(**dict(PREDICT) | {"kind": "label"})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 3}, "version: Input should be 1 or 2"),
        ({"id": "../../etc/passwd"}, "id: String should match"),
        ({"kind": "tractography"}, "kind: "),
        ({"options": {"model": "resnet"}}, "model: "),
    ],
)
def test_given_a_damaged_request_when_read_then_it_says_where(
    change: dict[str, object], says: str
) -> None:
    text = json.dumps(json.loads(PREDICT.to_json()) | change)
    with pytest.raises(BadRecord, match="unreadable jobrequest record: ") as refused:
        JobRequest.from_json(text)
    assert says in str(refused.value)


def test_given_half_a_record_then_it_is_refused() -> None:
    with pytest.raises(BadRecord, match="it: Invalid JSON"):
        Outcome.from_json(PREDICT.to_json()[:20])


def test_given_a_job_that_is_done_then_its_outcome_names_the_winning_token() -> None:
    outcome = Outcome.from_json(Outcome.of(DONE).to_json())
    assert (outcome.state, outcome.token, outcome.finished) == ("done", "bb", 9.5)


def test_given_an_outcome_alone_then_a_poll_can_be_answered() -> None:
    job = Outcome.of(DONE).job(ID)
    assert job.ended
    assert (job.status, job.token, job.progress, job.seconds) == ("done", "bb", 1.0, {"n4": 2.0})
    assert job.quality == DONE.quality


def test_given_an_outcome_of_a_release_without_verdicts_then_it_reads_and_has_none() -> None:
    older = json.loads(Outcome.of(DONE).to_json())
    del older["quality"]
    job = Outcome.from_json(json.dumps(older)).job(ID)
    assert (job.status, job.quality) == ("done", None)


def test_given_a_failed_job_then_its_outcome_keeps_the_problem_and_no_token() -> None:
    problem = Problem.of(LimitExceeded("robex took more than 400 MB"))
    failed = DONE.model_copy(update={"status": "failed", "problem": problem, "tokens": {}})
    outcome = Outcome.of(failed)
    assert (outcome.problem, outcome.token) == (problem, None)
    assert outcome.job(ID).problem == problem
    assert problem.title == "Limit exceeded"


def test_given_a_job_that_still_runs_then_it_has_no_outcome() -> None:
    with pytest.raises(ValueError, match="has not ended: it is preprocessing"):
        Outcome.of(DONE.model_copy(update={"status": "preprocessing"}))


def test_when_ids_are_made_then_they_are_ids_and_differ() -> None:
    first, second = new_id(), new_id()
    assert is_id(first)
    assert first != second


@pytest.mark.parametrize("text", ["", ID[:-1], ID.upper(), ID + "\n", "../" + ID[3:]])
def test_given_another_text_then_it_is_no_id(text: str) -> None:
    assert not is_id(text)


def test_given_the_stages_then_each_has_a_status_that_is_not_terminal() -> None:
    every = {stage for stages in STAGES.values() for stage in stages}
    assert every == set(STATUS_OF)
    assert not TERMINAL & set(STATUS_OF.values())
