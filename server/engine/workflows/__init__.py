"""Workflow executions: start, claim, cancel, retry, and deliveries from outside."""
