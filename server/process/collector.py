"""Python's garbage collector and start-up: what is made then stays, so looking through it again and again is wasted."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def not_collecting() -> Iterator[None]:
    """Collect nothing in the body, and leave what it made out of every later collection, in forked workers, too."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
