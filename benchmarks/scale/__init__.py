"""The controller at scale: simulated workers over the real RPC stack, one controller on one core."""
