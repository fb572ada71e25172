"""Submission: decides what the commands of a worker do to its workflow execution, and writes the result."""
