"""Workflow executions: start, claim, cancel, retry, and the events that reach them from outside."""
