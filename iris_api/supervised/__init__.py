"""Attempts as processes, each below a supervisor that survives the worker. See `runtime.SupervisedRuntime`.

Nothing is imported here: the supervisor's start is part of the latency of a task.
"""
