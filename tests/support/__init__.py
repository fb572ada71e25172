"""Shared by the tests: a real PostgreSQL, a running server, and a worker to drive it."""
