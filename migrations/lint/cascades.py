"""Which triggers of a plugin run inside a DELETE or UPDATE of the server's, and whether they may stop it.

Foreign keys, triggers, functions and partitions may come in any order and in different migrations, so what they make
together is judged after each statement that concerns one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from migrations.lint.facts import Body, Drops, DropsPart, Fact, ForeignKey, Joins, Renames, Triggers
from migrations.lint.names import Ownership
from migrations.lint.trigger_body import Event, why_it_stops

_CLEARS = ("set null", "set default")
CONCERNED = (Body, ForeignKey, Joins, Renames, Triggers)
"""Facts that can bring a trigger into a cascade."""


@dataclass(slots=True)
class Cascades:
    """The plugin's keys, triggers, functions and partitions so far."""

    keys: list[ForeignKey] = field(default_factory=list)
    triggers: dict[tuple[str, str], Triggers] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)

    def copy(self) -> Cascades:
        """Return a state that can go on alone."""
        return Cascades(list(self.keys), dict(self.triggers), dict(self.bodies), dict(self.parents))

    def update(self, fact: Fact) -> None:
        """Add the effect of a fact."""
        if isinstance(fact, Body):
            self.bodies[fact.function.last] = fact.text
        elif isinstance(fact, ForeignKey):
            self.keys.append(fact)
        elif isinstance(fact, Triggers):
            self.triggers[fact.table.last, fact.name] = fact
        elif isinstance(fact, Joins) and fact.how == "partition":
            self.parents[fact.child.last] = fact.parent.last
        elif isinstance(fact, DropsPart):
            self.keys = [key for key in self.keys if not key.goes_with(fact)]
        elif isinstance(fact, Drops) and fact.verb == "DROP":
            self._drop(fact)
        elif isinstance(fact, Renames) and fact.kind != "constraint":
            self._rename(fact)

    def _drop(self, fact: Drops) -> None:
        name = fact.name.last
        if fact.kind == "trigger":
            self.triggers.pop((name, fact.part), None)
        elif fact.kind == "table":
            self.keys = [key for key in self.keys if key.table.last != name]
            self.triggers = {at: trigger for at, trigger in self.triggers.items() if at[0] != name}
            self.parents.pop(name, None)

    def _rename(self, fact: Renames) -> None:
        old, new = fact.old.last, fact.new.last
        self.keys = [
            key._replace(
                table=fact.new if key.table.last == old else key.table,
                target=fact.new if key.target.last == old else key.target,
                label=key.constraint,
            )
            for key in self.keys
        ]
        self.triggers = {
            (new if table == old else table, name): trigger._replace(
                function=fact.new if trigger.function.last == old else trigger.function
            )
            for (table, name), trigger in self.triggers.items()
        }
        if old in self.bodies:
            self.bodies[new] = self.bodies.pop(old)

    def faults(self, ownership: Ownership) -> set[str]:
        """Return, in words, the triggers that may stop or skip what the server deletes or changes."""
        deleted = self._deleted(ownership)
        changed = self._changed(ownership, deleted)
        found = set()
        for (table, _), trigger in self.triggers.items():
            family = {table, *self._related(table)}
            if "delete" in trigger.events and family & deleted:
                found.add(self._fault(trigger, "delete"))
            columns = {column for name in family for column in changed.get(name, ())}
            if "update" in trigger.events and columns and (not trigger.columns or columns & set(trigger.columns)):
                found.add(self._fault(trigger, "update"))
        return {fault for fault in found if fault}

    def _deleted(self, ownership: Ownership) -> set[str]:
        """Return the tables whose rows go when the server deletes a row."""
        deleted: set[str] = set()
        size = -1
        while len(deleted) > size:
            size = len(deleted)
            for key in self.keys:
                if key.on_delete == "cascade" and (not ownership.owns(key.target) or key.target.last in deleted):
                    deleted.add(key.table.last)
        return deleted

    def _changed(self, ownership: Ownership, deleted: set[str]) -> dict[str, set[str]]:
        """Return the tables, and their columns, that change when the server deletes or changes a row."""
        changed: dict[str, set[str]] = {}
        for key in self.keys:
            foreign = not ownership.owns(key.target)
            cleared = key.on_delete in _CLEARS and (foreign or key.target.last in deleted)
            if cleared or (foreign and key.on_update in (*_CLEARS, "cascade")):
                changed.setdefault(key.table.last, set()).update(key.columns)
        return changed

    def _related(self, table: str) -> Iterator[str]:
        """Yield the partitioned tables above a table, and the partitions below it."""
        name = table
        for _ in self.parents:
            if name not in self.parents:
                break
            name = self.parents[name]
            yield name
        yield from (child for child, parent in self.parents.items() if parent == table)

    def _fault(self, trigger: Triggers, event: Event) -> str:
        if trigger.timing not in ("before", "after"):
            return ""
        timing = "before" if trigger.timing == "before" else "after"
        body = self.bodies.get(trigger.function.last)
        strict = event == "delete" and timing == "before"
        reason = None
        if body is not None:
            reason = why_it_stops(body, event, timing, each_row=trigger.each_row)
        elif strict:
            reason = f"the body of {trigger.function} is not known"
        if reason is None and strict and trigger.conditional:
            reason = "its WHEN can fail"
        if reason is None:
            return ""
        return f"trigger {trigger.name} on {trigger.table.last} may stop the server's {event.upper()}: {reason}"
