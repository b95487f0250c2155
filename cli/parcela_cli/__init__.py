"""The ``parcela`` command, and the same in Python."""
