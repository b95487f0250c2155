"""A trained network becomes weights that ship, with their card."""
