"""Random changes of an image and its labels, each alone; ``parcela_training.augmentation.augment`` composes them."""
