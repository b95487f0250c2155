"""What a parcellated scan gives back: label map, tables, picture, report, manifest."""
