"""Results on their way out: ranges, ETags, and the zip archive."""
