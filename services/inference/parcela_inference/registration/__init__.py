"""The network that registers: it predicts where each place of a head lies in the atlas, and reads the region there."""
