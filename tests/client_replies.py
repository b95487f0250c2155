"""What a scripted server tells a client of one job."""

from __future__ import annotations

import gzip

ID = "0123456789abcdef" * 2
JOB = {"id": ID, "kind": "predict", "status": "queued", "stage": "preprocess", "progress": 0.0}
DONE = JOB | {"status": "done", "stage": None, "progress": 1.0, "something_new": 1}
MAP = gzip.compress(b"a label map")
