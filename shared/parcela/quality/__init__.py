"""Quality: what is measured on every finished map, and the verdict."""
