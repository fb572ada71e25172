"""What each command of a worker turns into: the table from command to events and effects.

A submission is decided whole before anything is written. The order of events is the order of the commands:
workers match the n-th timer, task or promise of their code with the n-th event of its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from core.domain.command import (
    Cancel,
    CancelTimer,
    ClearState,
    Command,
    Complete,
    CreatePromise,
    Fail,
    RecordOperation,
    ResolvePromise,
    SetState,
    StartTimer,
    Suspend,
)
from core.domain.payload import dump, json_object
from core.domain.promise import NewPromise, resolved, settled_event, usable_timeout
from core.domain.timer import NewTimer, usable_duration
from core.domain.workflow import Ending, Outcome, RunState, RunStatus, Step, Submission
from core.domain.workflow_event import EventType, numbered
from server.engine.drafts import Draft, Known
from server.engine.endings import WITHOUT_COMMAND, cancelled, completed, failed


def submission(
    tenant_id: UUID, run_id: UUID, commands: Sequence[Command], outcome: Outcome, weight: int = 0
) -> Submission:
    """Turn a worker's commands into a submission. What follows the first terminal command is ignored."""
    for index, command in enumerate(commands):
        if type(command) in _ENDINGS:
            ending = _ENDINGS[type(command)](command)
            return Submission(tenant_id, run_id, tuple(commands[:index]), outcome, ending, weight)
    return Submission(tenant_id, run_id, tuple(commands), outcome, weight=weight)


def decide(state: RunState, submitted: Submission, known: Known) -> Step | None:
    """Return what a submission does to a run in ``state``; None when it must change nothing.

    ``known`` holds what exists of what the commands name, and takes in what they create. A submission to an
    ended run is a late duplicate or comes from a worker presumed dead: it is ignored.
    """
    if state.status.is_terminal:
        return None
    draft = Draft(state, known)
    for command in submitted.commands:
        _HANDLERS[type(command)](draft, command)
    known.absorb(draft.known)
    ending = _ending(submitted)
    events = numbered(state.last_sequence, [*draft.events, ending.event] if ending else draft.events)
    status = ending.status if ending else _next_status(state, submitted.outcome)
    moved = replace(
        state,
        status=status,
        last_sequence=state.last_sequence + len(events),
        has_dependents=state.has_dependents or bool(draft.effects),
    )
    return Step(
        state=moved,
        events=events,
        output=ending.output if ending else None,
        error=ending.error if ending else None,
        effects=draft.effects,
    )


def _ending(submitted: Submission) -> Ending | None:
    """Return how the run ends; where outcome and command disagree, the outcome decides."""
    if submitted.outcome not in WITHOUT_COMMAND:
        return None
    made_up = WITHOUT_COMMAND[submitted.outcome]
    given = submitted.ending
    return given if given is not None and given.status is made_up.status else made_up


def _next_status(state: RunState, outcome: Outcome) -> RunStatus:
    if outcome is Outcome.RUNNING or state.status is not RunStatus.RUNNING:
        # only a claimed run can be suspended; a late report must not park one that waits for a worker
        return state.status
    unseen = state.waking_sequence > state.dispatched_sequence
    return RunStatus.PENDING if unseen else RunStatus.WAITING


def _record_operation(draft: Draft, command: RecordOperation) -> None:
    data = json_object(operationName=dump(command.name), result=command.result)
    draft.event(EventType.OPERATION_COMPLETED, data)


def _set_state(draft: Draft, command: SetState) -> None:
    draft.event(EventType.STATE_SET, json_object(key=dump(command.key), value=command.value))


def _clear_state(draft: Draft, command: ClearState) -> None:
    draft.event(EventType.STATE_CLEARED, json_object(key=dump(command.key)))


def _suspend(draft: Draft, command: Suspend) -> None:
    draft.event(EventType.WORKFLOW_SUSPENDED, json_object(reason=dump(command.reason)))


def _start_timer(draft: Draft, command: StartTimer) -> None:
    if draft.timer_key(command.timer_id) in draft.known.timers:
        return
    duration = usable_duration(command.duration_ms)
    draft.start_timer(NewTimer(*draft.timer_key(command.timer_id), duration))
    data = json_object(timerId=dump(command.timer_id), durationMs=dump(command.duration_ms))
    draft.event(EventType.TIMER_STARTED, data)


def _cancel_timer(draft: Draft, command: CancelTimer) -> None:
    key = draft.timer_key(command.timer_id)
    if draft.known.timers.get(key, False):
        draft.cancel_timer(key)
        draft.event(EventType.TIMER_CANCELLED, json_object(timerId=dump(command.timer_id)))


def _create_promise(draft: Draft, command: CreatePromise) -> None:
    promise = NewPromise(
        tenant_id=draft.state.tenant_id,
        id=uuid4(),
        run_id=draft.state.id,
        name=command.name,
        timeout_ms=usable_timeout(command.timeout_ms),
    )
    draft.create_promise(promise)
    data = json_object(
        promiseId=dump(str(promise.id)),
        promiseName=dump(command.name),
        timeoutMs=None if command.timeout_ms is None else dump(command.timeout_ms),
    )
    draft.event(EventType.PROMISE_CREATED, data)


def _resolve_promise(draft: Draft, command: ResolvePromise) -> None:
    """Settle a promise from within; one that is unknown or settled already is left alone, as with timers."""
    promise = draft.pending_promise(command.reference)
    if promise is not None:
        verdict = resolved(command.value)
        draft.settle_promise(promise, verdict)
        draft.events.append(settled_event(promise.id, promise.name, verdict))


_HANDLERS: Mapping[type, Callable[[Draft, Any], None]] = {
    RecordOperation: _record_operation,
    SetState: _set_state,
    ClearState: _clear_state,
    Suspend: _suspend,
    StartTimer: _start_timer,
    CancelTimer: _cancel_timer,
    CreatePromise: _create_promise,
    ResolvePromise: _resolve_promise,
}

_ENDINGS: Mapping[type, Callable[[Any], Ending]] = {
    Complete: lambda command: completed(command.output),
    Fail: lambda command: failed(command.error, command.stack_trace, command.failure_type),
    Cancel: lambda command: cancelled(command.reason),
}
