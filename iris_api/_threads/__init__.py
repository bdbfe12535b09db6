"""The parts of :mod:`iris_api.threads`; import them from there."""
