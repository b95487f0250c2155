"""The whole service in one process tree, without Docker."""
