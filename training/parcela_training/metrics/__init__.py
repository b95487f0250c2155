"""How well one label map agrees with another, and the statistics of it."""
