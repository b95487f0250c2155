"""From one raw scan to one prepared image: the settings, what is imported, the work itself, and the pictures of it."""
