"""A virtual cohort: Colin27 bent into other heads, the labels bent along."""
