"""Logs, metrics, request ids, and the observers of calls."""
