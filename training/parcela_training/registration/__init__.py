"""How the network that registers learns: from labelled images alone, and the distances to the atlas's regions."""
