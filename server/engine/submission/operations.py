"""Commands that only add an event: operations, the workflow's state, and suspensions."""

from __future__ import annotations

from dataclasses import dataclass

from core.payload import Json, dump, json_object
from server.domain.submission import Command
from server.domain.workflow_event import EventType
from server.engine.submission.family import Draft, Family


@dataclass(frozen=True, slots=True)
class RecordOperation(Command):
    """Record the result of a side effect of the workflow's code."""

    name: str
    result: Json


@dataclass(frozen=True, slots=True)
class SetState(Command):
    """Set a key of the workflow's state."""

    key: str
    value: Json


@dataclass(frozen=True, slots=True)
class ClearState(Command):
    """Remove a key of the workflow's state."""

    key: str


@dataclass(frozen=True, slots=True)
class Suspend(Command):
    """Tell why the workflow waits; the command changes nothing else."""

    reason: str


def _record_operation(draft: Draft, command: RecordOperation) -> None:
    data = json_object(operationName=dump(command.name), result=command.result)
    draft.event(EventType.OPERATION_COMPLETED, data)


def _set_state(draft: Draft, command: SetState) -> None:
    draft.event(EventType.STATE_SET, json_object(key=dump(command.key), value=command.value))


def _clear_state(draft: Draft, command: ClearState) -> None:
    draft.event(EventType.STATE_CLEARED, json_object(key=dump(command.key)))


def _suspend(draft: Draft, command: Suspend) -> None:
    draft.event(EventType.WORKFLOW_SUSPENDED, json_object(reason=dump(command.reason)))


OPERATIONS: Family[str, None] = Family(
    handlers={
        RecordOperation: _record_operation,
        SetState: _set_state,
        ClearState: _clear_state,
        Suspend: _suspend,
    },
)
