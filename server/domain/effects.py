"""The effects of a submission: new and changed rows of other tables, written in the same transaction as its events."""

from __future__ import annotations

from collections.abc import Hashable, ItemsView, Iterable, Sequence
from typing import Any


class Effects:
    """The effects of one submission or of a whole batch, by kind, each kind in the order of the commands.

    ``server.engine.submission.family`` defines the kinds and how they are written.
    """

    __slots__ = ("_by_kind",)

    def __init__(self) -> None:
        self._by_kind: dict[Hashable, list[Any]] = {}

    def add(self, kind: Hashable, item: object) -> None:
        """Add one effect."""
        self._by_kind.setdefault(kind, []).append(item)

    def of(self, kind: Hashable) -> Sequence[Any]:
        """Return the effects of a kind."""
        return self._by_kind.get(kind, ())

    def items(self) -> ItemsView[Hashable, list[Any]]:
        """Return all kinds that have effects, with their effects."""
        return self._by_kind.items()

    def __bool__(self) -> bool:
        """Return whether there is a row to write."""
        return bool(self._by_kind)

    @staticmethod
    def gather(all_effects: Iterable[Effects]) -> Effects:
        """Return the effects of a whole batch, so that each kind of effect needs one statement."""
        gathered = Effects()
        for effects in all_effects:
            for kind, items in effects.items():
                gathered._by_kind.setdefault(kind, []).extend(items)
        return gathered
