"""A run's report: the thesis's tables and figures, its values and ours side by side."""
