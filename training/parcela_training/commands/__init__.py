"""The commands of the experiment."""
