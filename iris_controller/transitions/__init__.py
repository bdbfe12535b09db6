"""How the rows change: pure functions over a draft. None reads a clock, makes an id, or waits."""
