"""What each command of a worker turns into: the table from command to events and effects.

The order of events is the order of the commands: workers match the n-th timer, task or promise of their code with
the n-th event of its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from core.errors import WrongState
from core.payload import dump, json_object
from server.domain import child
from server.domain.cancellation import ChildCancellation
from server.domain.command import (
    CancelChild,
    CancelTimer,
    ClearState,
    CreatePromise,
    RecordOperation,
    ResolvePromiseCommand,
    ScheduleChild,
    ScheduleTask,
    SetState,
    StartTimer,
    Suspend,
)
from server.domain.idempotency import Entity, KeyClaim
from server.domain.promise import NewPromise, resolved, settled_event, usable_timeout
from server.domain.task import NewTask
from server.domain.timer import NewTimer, usable_duration
from server.domain.workflow_event import EventType
from server.engine.submission.drafts import Draft


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
        draft.skip(draft.known.timers, draft.timer_key(command.timer_id))
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
        workflow_id=draft.state.id,
        name=command.name,
        timeout_ms=usable_timeout(command.timeout_ms),
    )
    draft.create_promise(promise)
    if command.key is not None:
        draft.effects.claims.append(KeyClaim(promise.tenant_id, command.key, Entity.PROMISE, promise.id))
    data = json_object(
        promiseId=dump(str(promise.id)),
        promiseName=dump(command.name),
        timeoutMs=None if command.timeout_ms is None else dump(command.timeout_ms),
    )
    draft.event(EventType.PROMISE_CREATED, data)


def _resolve_promise(draft: Draft, command: ResolvePromiseCommand) -> None:
    """Settle a promise from within; one that is unknown or settled already is left alone, as with timers."""
    promise = draft.pending_promise(command.reference)
    if promise is not None:
        outcome = resolved(command.value)
        draft.settle_promise(promise, outcome)
        draft.events.append(settled_event(promise.id, promise.name, outcome))


def _schedule_task(draft: Draft, command: ScheduleTask) -> None:
    state = draft.state
    key = (state.tenant_id, command.task_id)
    known = draft.known.tasks.get(key)
    if known == (state.id, command.kind):
        draft.skip(draft.known.tasks, key)
        return
    if known is not None:
        raise WrongState(
            f"task_execution_id {command.task_id} is taken by another task; workers derive it from the run's id"
        )
    task = NewTask(
        tenant_id=state.tenant_id,
        id=command.task_id,
        workflow_execution_id=state.id,
        kind=command.kind,
        queue=command.queue or state.queue,
        input=command.input,
        max_retries=command.max_retries,
        timeout_ms=command.timeout_ms,
        priority_ms=command.priority_seconds * 1000,
    )
    draft.schedule_task(task)
    if command.key is not None:
        draft.effects.claims.append(KeyClaim(task.tenant_id, command.key, Entity.TASK, task.id))
    data = json_object(
        kind=dump(task.kind),
        taskExecutionId=dump(str(task.id)),
        input=task.input,
        queue=dump(task.queue),
        maxRetries=dump(task.max_retries),
        timeoutMs=None if task.timeout_ms is None else dump(task.timeout_ms),
    )
    draft.event(EventType.TASK_SCHEDULED, data)


def _schedule_child(draft: Draft, command: ScheduleChild) -> None:
    """Start a child; where that is impossible, the parent hears of a failed child: an error would fail the parent."""
    state = draft.state
    key = (state.tenant_id, command.child_id)
    if key in draft.known.children and draft.known.children[key] == state.id:
        draft.skip(draft.known.children, key)
        return
    queue = command.queue or state.queue
    draft.events.append(child.initiated(command.name, command.child_id, command.kind or "", command.input, queue))
    problem = _why_not(draft, command)
    if command.kind is None or problem is not None:
        draft.events.append(child.failed(command.name, command.child_id, problem or _NO_KIND))
        draft.must_see = True
        return
    draft.schedule_child(
        child.new_child(
            state,
            command.child_id,
            name=command.name,
            kind=command.kind,
            queue=queue,
            data=command.input,
            priority_seconds=command.priority_seconds,
        )
    )


def _why_not(draft: Draft, command: ScheduleChild) -> str | None:
    if (draft.state.tenant_id, command.child_id) in draft.known.children:
        return f"the id {command.child_id} is taken by another workflow execution"
    if draft.state.depth >= child.MAX_DEPTH:
        return f"children may be nested {child.MAX_DEPTH} deep and no deeper"
    return None


def _cancel_child(draft: Draft, command: CancelChild) -> None:
    state = draft.state
    draft.effects.cancelled_children.append(
        ChildCancellation(
            tenant_id=state.tenant_id,
            parent_id=state.id,
            child_id=command.child_id,
            name=command.name,
            reason=command.reason or "the parent asked for it",
            requested_by=f"workflow:{state.id}",
        )
    )


_NO_KIND = "this server knows workflow definitions by their kind alone, and the command names none"

HANDLERS: Mapping[type, Callable[[Draft, Any], None]] = {
    RecordOperation: _record_operation,
    SetState: _set_state,
    ClearState: _clear_state,
    Suspend: _suspend,
    StartTimer: _start_timer,
    CancelTimer: _cancel_timer,
    CreatePromise: _create_promise,
    ResolvePromiseCommand: _resolve_promise,
    ScheduleTask: _schedule_task,
    ScheduleChild: _schedule_child,
    CancelChild: _cancel_child,
}
