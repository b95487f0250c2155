"""The networks that ship, and their cards: `parcela.weights.cards`, under the name that the networks' own code uses."""

from parcela.weights.cards import MODELS, Card, Model, read_card, weights_folder

__all__ = ["MODELS", "Card", "Model", "read_card", "weights_folder"]
