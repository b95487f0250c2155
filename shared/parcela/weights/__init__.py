"""The networks that ship: which there are, and what their cards say."""
