"""Bronze labels: the AAL atlas registered to a scan, opened, and checked."""
