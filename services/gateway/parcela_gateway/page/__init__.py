"""The gateway's pages for people: its home and the page about the API."""
