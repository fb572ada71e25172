"""Task executions: start, claim and report; and workers."""
