"""What a stranger may hold of this gateway: connections, places for uploads, listeners; and how many wrong keys."""
