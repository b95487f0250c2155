"""The service from Python: submit, wait, fetch."""
