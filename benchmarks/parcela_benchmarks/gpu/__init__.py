"""The kit for half an hour on a bare machine with a GPU: what it takes along, and what it does there."""
