"""The networks that ship, and their cards: `parcela.card`, under the name that the networks' own code uses."""

from parcela.card import MODELS, Card, Model, read_card, weights_folder

__all__ = ["MODELS", "Card", "Model", "read_card", "weights_folder"]
