"""A scan on its way in: the form, the stream, the scrubbing, the job that it becomes."""
