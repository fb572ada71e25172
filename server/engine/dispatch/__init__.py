"""Dispatch: wake-ups, direct dispatch, and the release of claims whose answers were lost."""
