"""The documentation as a site: `make docs` builds it from `docs/` and the code."""
