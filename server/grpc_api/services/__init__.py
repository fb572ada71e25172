"""One module per service of ``flovyn.v1``: each translates messages and calls the engine."""
