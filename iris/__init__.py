"""Jobs and actors on machines that a config file names.

``iris.client`` submits jobs and dispatches calls, ``iris.actor`` serves and calls objects,
``iris.cluster.types`` holds the values that describe jobs, ``iris.managed_thread`` owns threads.
"""
