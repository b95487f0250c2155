"""The ledger: where every job stands, and who has it. The truth about jobs, kept in Redis.

One hash per job; per stage a sorted set of waiting jobs (oldest first), one of those that wait out a back-off, and one
of leases by their end. Every transition is one script (``lua/``): it happens wholly, alone, and by Redis's clock.
Whoever claims a job holds its token until the lease ends; every later word of theirs carries it. Each request may come
twice, since redis-py repeats one whose reply was lost: the second time it changes nothing and gets the same answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast, get_args

from redis import Redis

from parcela.errors import LimitExceeded, StepFailed
from parcela.jobs.ledger_row import Transition, flat, job_of, pairs, row_of, transition_of
from parcela.jobs.records import STAGES, STATUS_OF, Job, JobRequest, Outcome, Problem, Stage
from parcela.jobs.redis_client import Breaker, LedgerUnavailable, connect, reported
from parcela.quality.grade import Judgement
from parcela.record import BadRecord
from parcela.settings import settings

__all__ = ["Claim", "Ledger", "LedgerUnavailable", "Transition", "WorkerLost"]

EVERY_STAGE: tuple[Stage, ...] = get_args(Stage)
# Of a scan that went over a limit of time or memory: it held a worker for all that time
HUNG_ATTEMPTS = 2
# Of Redis's return: a worker renews its lease every two seconds, and a question on its way may take five more
RENEWED_WITHIN_S = 8.0


class WorkerLost(StepFailed):
    """The worker that had the job fell silent, three times."""

    slug = "worker-lost"


@dataclass(frozen=True)
class Claim:
    """One attempt of one stage of a job, which its holder alone may carry on or end."""

    job: Job
    stage: Stage
    token: str
    lease_s: float


class Ledger:
    """All jobs of one installation.

    Args:
        redis: the URL of a Redis (``redis://…``, ``unix://…``), or a client that decodes its answers.
        namespace: what all its keys begin with.
        attempts: how often a stage of a job is begun before the job fails; by default the process's setting.
        back_off_s: how long a job waits before its second attempt (four times that before its third); likewise.
        hurried: callers wait for its answers, as a gateway's do: a frozen Redis is away after some seconds.

    Every method raises `LedgerUnavailable` when Redis does not answer.
    """

    def __init__(
        self,
        redis: str | Redis,
        namespace: str = "parcela",
        *,
        attempts: int | None = None,
        back_off_s: float | None = None,
        hurried: bool = False,
    ) -> None:
        self._redis = connect(redis, hurried=hurried) if isinstance(redis, str) else redis
        self._asked = Breaker(self._redis).asked if hurried else reported
        self._namespace = namespace
        self._attempts = settings().attempts if attempts is None else attempts
        self._back_off_ms = _ms(settings().back_off_s if back_off_s is None else back_off_s)

    # ------------------------------------------------------------------------------------------------ jobs come and go

    def add(self, request: JobRequest) -> Job:
        """A job enters and waits for its first stage. One that is known already is returned as it stands."""
        return self._enter(request, {}, "added")

    def restore(
        self, request: JobRequest, outcome: Outcome | None, tokens: Mapping[Stage, str]
    ) -> Job:
        """Bring back what the store knows of a job and the ledger may have lost.

        Args:
            request: what was asked.
            outcome: how it ended, which then holds whatever the ledger says; None if it has not, and then a row that
                exists is left alone.
            tokens: attempts of first stages that left everything the next one needs.
        """
        if outcome is None:
            return self._enter(request, tokens, "restored")
        return self.settle(request.id, outcome)

    def settle(self, job_id: str, outcome: Outcome) -> Job:
        """A job has ended so, whatever the ledger says."""
        last = STAGES[outcome.kind][-1]
        fields = row_of(outcome.job(job_id))
        return job_of(job_id, pairs(self._run("settle", job_id, last, *flat(fields))))

    def get(self, job_id: str) -> Job | None:
        """A job as it stands; None where the ledger knows none. BadRecord: its row cannot be read."""
        with self._asked():
            row = self._redis.hgetall(self._key("job", job_id))
        return job_of(job_id, cast("dict[str, str]", row)) if row else None

    def several(self, ids: Iterable[str]) -> list[Job]:
        """Jobs by id, in one question; what has no row, or one that cannot be read, is left out."""
        wanted = list(ids)
        with self._asked(), self._redis.pipeline(transaction=False) as pipeline:
            for job_id in wanted:
                pipeline.hgetall(self._key("job", job_id))
            rows = pipeline.execute()
        jobs = []
        for job_id, row in zip(wanted, rows, strict=True):
            with suppress(BadRecord):
                jobs += [job_of(job_id, row)] if row else []
        return jobs

    def jobs(self, owner: str, limit: int = 100) -> list[Job]:
        """The jobs of one owner, the newest first."""
        with self._asked():
            ids = self._redis.zrevrange(self._key("owner", owner), 0, limit - 1)
        return self.several(cast("list[str]", ids))

    def ids(self) -> list[str]:
        """Every job that has a row, the oldest first."""
        with self._asked():
            return cast("list[str]", self._redis.zrange(self._key("jobs"), 0, -1))

    def cancel(self, job_id: str) -> Job | None:
        """End a job that has not ended, as cancelled; one that has stays as it is. None where none is known."""
        row = pairs(self._run("cancel", job_id))
        return job_of(job_id, row) if row else None

    def forget(self, job_id: str) -> None:
        """Drop a job's row. Whoever works on it loses it."""
        self._run("forget", job_id)

    # ----------------------------------------------------------------------------------------------------- a worker's

    def claim(self, stage: Stage, worker: str, lease_s: float) -> Claim | None:
        """Take a job that waits for a stage and is past its back-off; None when there is none.

        Callers take turns; of one caller's jobs the oldest comes first.

        Between a restart of Redis and the reconciler's look into the store nothing is handed out: Redis may have
        forgotten that a job has ended.
        """
        token = secrets.token_hex(16)
        job_and_row = self._run(
            "claim", stage, STATUS_OF[stage], _start(stage), token, worker, _ms(lease_s)
        )
        if not job_and_row:
            return None
        job_id, row = job_and_row
        return Claim(job_of(job_id, pairs(row)), stage, token, lease_s)

    def renew(
        self, claim: Claim, lease_s: float, step: str, progress: float
    ) -> Literal["held", "lost"]:
        """Prolong the lease, and say how far the job is (``progress`` 0–1, of the whole job).

        ``lost``: the lease ended, or the job was cancelled or deleted; stop working on it.
        """
        answer = self._run("renew", claim.job.id, claim.token, _ms(lease_s), step, progress)
        return cast("Literal['held', 'lost']", answer)

    def advance(
        self, claim: Claim, seconds: Mapping[str, float], quality: Judgement | None = None
    ) -> Literal["next", "done", "lost"]:
        """The stage is finished and its files are in the store: on to the next one, or done, with a verdict."""
        stages = STAGES[claim.job.kind]
        following = stages[stages.index(claim.stage) + 1 :]
        status, progress = (STATUS_OF[following[0]], _start(following[0])) if following else ("", 1)
        where = (following[0] if following else "", status, progress)
        verdict = quality.to_json() if quality else ""
        answer = self._run("advance", claim.job.id, claim.token, *where, verdict, *flat(seconds))
        return cast("Literal['next', 'done', 'lost']", answer)

    def fail(
        self, claim: Claim, problem: Problem, retry: bool, again_from: Stage | None = None
    ) -> Literal["waiting", "failed", "lost"]:
        """The attempt failed. With ``retry`` the job waits for another, later each time, unless this was the last.

        With ``again_from`` it waits for that earlier stage, whose files are no longer good; as often as for attempts.
        What went over a limit is tried once more at most, and behind all that wait by then.
        """
        text = problem.to_json()
        hung = problem.slug == LimitExceeded.slug
        most = min(self._attempts, HUNG_ATTEMPTS) if hung else self._attempts
        limits = (int(retry), most, self._back_off_ms, int(hung))
        again = (again_from, STATUS_OF[again_from]) if again_from else ()
        answer = self._run("fail", claim.job.id, claim.token, text, *limits, *again)
        return cast("Literal['waiting', 'failed', 'lost']", answer)

    def release(self, claim: Claim) -> Literal["waiting", "lost"]:
        """Give the job back unfinished; the attempt does not count."""
        answer = self._run("release", claim.job.id, claim.token)
        return cast("Literal['waiting', 'lost']", answer)

    # ---------------------------------------------------------------------------------------------- a reconciler's

    def expire(self) -> list[str]:
        """Take the jobs whose leases have ended from their workers; they wait again, or have failed. Their ids."""
        problem = Problem.of(
            WorkerLost(
                f"the worker stopped {self._attempts} times while it had this scan; if other scans succeed, "
                "something about this one makes it crash"
            )
        )
        limits = (problem.to_json(), self._attempts)
        return [job_id for stage in EVERY_STAGE for job_id in self._run("expire", stage, *limits)]

    def waiting(self) -> dict[Stage, int]:
        """How many jobs wait for each stage, those in back-off among them."""
        return self._counts("waiting", "later")

    def queue(self, owner: str) -> tuple[int, int, int]:
        """How many jobs wait for any stage, how many of them are this owner's, and how many jobs the owner has."""
        total, own, every = self._run("queue", owner, *EVERY_STAGE)
        return int(total), int(own), int(every)

    def ready(self) -> dict[Stage, int]:
        """How many jobs of each stage a worker could claim now."""
        with self._asked(), self._redis.pipeline(transaction=False) as pipeline:
            now = self._redis.time()[0] * 1000
            for stage in EVERY_STAGE:
                pipeline.zcard(self._key("waiting", stage))
                pipeline.zcount(self._key("later", stage), "-inf", now)
            counts = pipeline.execute()
        return {stage: counts[2 * i] + counts[2 * i + 1] for i, stage in enumerate(EVERY_STAGE)}

    def running(self) -> dict[Stage, int]:
        """How many jobs of each stage a worker holds."""
        return self._counts("leases")

    def unrecorded(self) -> list[Job]:
        """Jobs that have ended and whose outcome may not be in the store yet."""
        with self._asked():
            ids = self._redis.smembers(self._key("unrecorded"))
        return self.several(cast("set[str]", ids))

    def recorded(self, job_id: str) -> None:
        """The store holds this job's outcome."""
        with self._asked():
            self._redis.srem(self._key("unrecorded"), job_id)

    def turn(self, task: str, every_s: float) -> bool:
        """Whether it is the caller's turn at a task that one process does each ``every_s`` seconds."""
        with self._asked():
            taken = self._redis.set(self._key("turn", task), 1, px=_ms(every_s), nx=True)
        return bool(taken)

    def intact(self) -> bool:
        """Whether Redis is still the process in which the ledger was last compared with the store, and not emptied."""
        with self._asked():
            return self._redis.get(self._key("sentinel")) == self._run_id()

    def begin_recovery(self) -> str:
        """The ledger is about to be compared with the store; what `mark` wants to know when that is done."""
        recovery = secrets.token_hex(8)
        with self._asked():
            self._redis.set(self._key("recovery", recovery), self._run_id(), ex=86400)
        return recovery

    def mark(self, recovery: str | None = None) -> bool:
        """The ledger agrees with the store: it is intact from now on.

        Args:
            recovery: what `begin_recovery` gave; without it, an empty store is taken for granted.

        Returns:
            False when Redis lost its memory again meanwhile, so that the comparison counts for nothing.
        """
        mark = recovery or self.begin_recovery()
        return bool(self._run("mark", mark, _ms(RENEWED_WITHIN_S), *EVERY_STAGE))

    def log(self) -> Iterator[Transition]:
        """Every transition that is remembered (some 100 000), the oldest first."""
        last = "-"
        while True:
            with self._asked():
                entries = cast("list[Any]", self._redis.xrange(self._key("log"), last, "+", 1000))
            for moment, fields in entries:
                yield transition_of(moment, fields)
                last = f"({moment}"
            if not entries:
                return

    # ------------------------------------------------------------------------------------------------------- inside

    def _enter(self, request: JobRequest, tokens: Mapping[Stage, str], why: str) -> Job:
        stages = STAGES[request.kind]
        stage = next((stage for stage in stages if stage not in tokens), stages[-1])
        resumed = stage != stages[0]
        job = Job(
            id=request.id,
            kind=request.kind,
            owner=request.owner,
            status=STATUS_OF[stage] if resumed else "queued",
            stage=stage,
            waiting=True,
            progress=_start(stage) if resumed else 0,
            created=request.created,
            tokens={stage: token for stage, token in tokens.items() if stage in stages},
        )
        row = self._run("add", request.id, why, *flat(row_of(job)))
        return job_of(request.id, pairs(row))

    def _counts(self, *sets: str) -> dict[Stage, int]:
        with self._asked(), self._redis.pipeline() as pipeline:
            for stage in EVERY_STAGE:
                for name in sets:
                    pipeline.zcard(self._key(name, stage))
            counts = pipeline.execute()
        size = len(sets)
        return {
            stage: sum(counts[i * size : (i + 1) * size]) for i, stage in enumerate(EVERY_STAGE)
        }

    def _run_id(self) -> str:
        return str(self._redis.info("server")["run_id"])

    def _run(self, name: str, *arguments: object) -> Any:
        """Run one transition's script inside Redis."""
        script = self._redis.register_script(_script(name))
        with self._asked():
            return script(keys=[self._namespace], args=[str(argument) for argument in arguments])

    def _key(self, *parts: str) -> str:
        return ":".join((self._namespace, *parts))


@cache
def _script(name: str) -> str:
    """A transition's script, with what all of them begin with."""
    folder = files("parcela.jobs") / "lua"
    return "\n".join((folder / f"{part}.lua").read_text() for part in ("prelude", name))


def _start(stage: Stage) -> float:
    """The progress of the whole job when a stage begins."""
    stages = next(stages for stages in STAGES.values() if stage in stages)
    return stages.index(stage) / len(stages)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
