"""Every error that Parcela raises on purpose.

One root, a branch per subject. The exit code (command) and the HTTP status and slug (service) sit on the class,
so that each caller only has to render the message. A message says what is wrong with this scan, and what to do.
"""

from __future__ import annotations


class ParcelaError(Exception):
    """The root: anything that Parcela can explain."""

    exit_code = 1
    status = 500
    slug = "error"


class BadScan(ParcelaError):
    """The file given is not a scan that can be parcellated."""

    exit_code = 2
    status = 422
    slug = "bad-scan"


class BadRequest(ParcelaError):
    """The options given contradict each other or name something that does not exist."""

    exit_code = 2
    status = 400
    slug = "bad-request"


class StepFailed(ParcelaError):
    """A processing step could not finish on this scan: it crashed, or its result is implausible."""

    exit_code = 3
    status = 500
    slug = "step-failed"


class LimitExceeded(StepFailed):
    """A processing step went over its limit of time or memory and was stopped."""

    slug = "limit-exceeded"


class Unavailable(ParcelaError):
    """Something this installation needs is missing or damaged: a program, an extra, weights, the atlas."""

    exit_code = 4
    status = 503
    slug = "unavailable"
