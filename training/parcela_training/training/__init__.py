"""Training: recipe, samples, steps, checkpoints, resumable at any point."""
