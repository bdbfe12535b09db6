"""Stand-ins for the world that keep the contracts: they pass the conformance kit themselves."""
