"""Python's garbage collector at start-up: objects made then stay, so later collections need not visit them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def not_collecting() -> Iterator[None]:
    """Collect nothing in the body, and exclude its objects from every later collection, in forked workers, too."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
