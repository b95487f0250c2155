"""A BIDS data set in, BIDS derivatives out: `parcela bids`."""
