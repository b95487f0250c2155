"""The gateway's pages for people: its home, the page about the API, and the guide."""
