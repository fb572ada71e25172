"""One module per service of ``flovyn.v1``: it translates messages and calls the engine."""
