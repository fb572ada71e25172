"""When a failed attempt at a task is followed by another: at once, as workers expect, or not at all."""

from __future__ import annotations


def may_try_again(attempts: int, max_retries: int) -> bool:
    """Whether a task whose ``attempts``-th attempt has failed gets another: 3 retries are up to 4 attempts."""
    return attempts <= max_retries
