"""Boot: the edition, the preparation before the fork, and the steps that start a worker process."""
