"""Dispatch: wakes pollers, hands out new work, and finds claims whose answer was lost."""
