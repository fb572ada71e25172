"""Checks of what plugins declare: each answer of a hook, and the names that two plugins may not share."""
