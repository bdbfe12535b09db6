"""The simulated cluster: the real controller, workers and clients on simulated machines, under one seed."""
