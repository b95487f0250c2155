"""Parcela's experiment: prepare the cohort, train the two networks, publish their weights."""
