"""Task executions: start, claim, report, and the workers that run them."""
