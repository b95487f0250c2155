"""The gateway: takes scans in, says how their jobs stand, gives their results out."""
