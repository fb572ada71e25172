"""Streams: chunks of running tasks and changes of state, delivered to subscribers in any process."""
