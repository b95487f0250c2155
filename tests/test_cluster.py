"""The Slurm script of docs/cluster: one subject a task, with stand-ins for Slurm and Apptainer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nifti_files import image, nifti, write
from patience import patient

SCRIPT = Path(__file__).parents[1] / "docs" / "cluster" / "parcela.sbatch"
# Takes Apptainer's own words up to the image, and gives the rest to `parcela`.
APPTAINER = f"""#!/bin/sh
while [ "$1" != "${{PARCELA_SIF:-parcela.sif}}" ]; do echo "apptainer $1" >&2; shift; done
shift
exec {sys.executable} -m parcela_cli.app "$@" --dry-run
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    for subject in ("01", "02"):
        anat = folder / f"sub-{subject}" / "anat"
        anat.mkdir(parents=True)
        write(anat / f"sub-{subject}_T1w.nii.gz", nifti(image()))
    description = {"Name": "study", "BIDSVersion": "1.9.0"}
    (folder / "dataset_description.json").write_text(json.dumps(description))
    return folder


def test_given_the_second_task_then_the_second_subject_alone_is_done(
    study: Path, tmp_path: Path
) -> None:
    apptainer = tmp_path / "bin" / "apptainer"
    apptainer.parent.mkdir()
    apptainer.write_text(APPTAINER)
    apptainer.chmod(0o755)
    slurm = {"SLURM_ARRAY_TASK_ID": "2", "SLURM_CPUS_PER_TASK": "1", "PARCELA_SIF": "/images/p.sif"}

    done = subprocess.run(
        ["bash", SCRIPT, study, tmp_path / "out", "--model", "both"],
        env={**os.environ, **slurm, "PATH": f"{apptainer.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=patient(60),
    )

    assert done.returncode == 0, done.stderr
    assert "sub-02" in done.stdout + done.stderr
    assert "sub-01" not in done.stdout + done.stderr
    assert f"apptainer {study}:{study}:ro" in done.stderr
