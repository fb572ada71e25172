"""Streams: chunks of running tasks and state changes, delivered to subscribers in any process."""
