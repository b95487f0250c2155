"""Where jobs' files lie: one interface, a local folder or S3 behind it."""
