"""The nine preprocessing steps: from a scan as received to the grid that the networks see."""
