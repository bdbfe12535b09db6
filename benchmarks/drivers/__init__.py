"""The measured programs. Each runs in a process of its own, those of peers in the peers' own environments:
so this package imports only the standard library and, where it is the thing measured, one system."""
