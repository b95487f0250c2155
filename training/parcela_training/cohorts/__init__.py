"""Cohorts of T1-weighted scans, whichever way their files are laid out: ``docs/cohorts.md`` describes the layouts."""
