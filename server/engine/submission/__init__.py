"""Submission: decides the commands of workers and writes the result. Each family of commands is one module."""
