"""Plugins for Iris: the transport `mem` and the resolver `file`."""
