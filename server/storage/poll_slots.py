"""Polls for several kinds of work as parameters of a claim, and the claimed work by the polls that get it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from server.domain.workflow import PollSlot
from server.storage.columns import claim_columns

Work = TypeVar("Work")


class SlotGroups:
    """Polls in groups: the polls of one queue for the same kinds are served together."""

    def __init__(self, slots: Sequence[PollSlot]) -> None:
        groups: dict[tuple[UUID, str, tuple[str, ...]], list[int]] = defaultdict(list)
        for index, slot in enumerate(slots):
            groups[slot.tenant_id, slot.queue, slot.kinds].append(index)
        self._count = len(slots)
        self._members = members = list(groups.values())
        self.parameters: dict[str, Any] = {
            "tenant_id": [key[0] for key in groups],
            "queue": [key[1] for key in groups],
            "kinds": [text_array(key[2]) for key in groups],
            "count": [len(group) for group in members],
            "slot_group": [number for number, group in enumerate(members, 1) for _ in group],
            "place": [place for group in members for place in range(1, len(group) + 1)],
        } | claim_columns([slots[index].claim for group in members for index in group])

    def by_slot(self, rows: Iterable[tuple[tuple[Any, ...], Work]]) -> list[Work | None]:
        """Return the work of each slot, given rows with their group and their place in it; None without work."""
        claimed: list[Work | None] = [None] * self._count
        for (group, place), work in rows:
            claimed[self._members[group - 1][place - 1]] = work
        return claimed


def text_array(texts: Sequence[str]) -> str | None:
    """Return an array as PostgreSQL writes it: ``unnest`` cannot expand an array of arrays of different lengths."""
    if not texts:
        return None
    quoted = ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
    return "{" + ",".join(quoted) + "}"


def uuid_array(ids: Sequence[UUID] | None) -> str | None:
    """Return ids as PostgreSQL writes an array of them; see ``text_array``. None stands for no array."""
    return None if ids is None else "{" + ",".join(map(str, ids)) + "}"
