"""A cluster: the values that describe jobs, and the parts put together in one process."""
