"""Child processes: one task in isolation, and nothing that outlives its starter."""
