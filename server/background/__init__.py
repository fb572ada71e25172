"""Background services: each runs beside the calls, in a file of its own, under a supervisor."""
