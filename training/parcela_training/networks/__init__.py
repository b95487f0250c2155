"""What is trained: each network's step, its loss, its predictions while it trains."""
