"""Signals: to existing workflows, and to workflows that are started for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from core.batching import Batcher
from core.connection import DatabaseConnection
from core.errors import FlovynError, LimitExceeded, Unavailable, WrongState
from core.launchers import WorkflowLaunch
from core.payload import Json, dump, json_object
from server.domain.delivery import Delivery, receive
from server.domain.idempotency import Entity, KeyClaim, KeyHolder, key_conflict
from server.domain.submission import WorkflowStep
from server.domain.workflow import NewWorkflow, WorkflowState, WorkflowStatus
from server.domain.workflow_event import EventType, NewEvent
from server.engine.idempotency import claim
from server.engine.workflows.claims import unknown_workflow
from server.engine.workflows.deliveries import Deliveries
from server.engine.workflows.starts import new_workflow
from server.storage.idempotency import Key
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey

ATTEMPTS = 20
"""The number of attempts at a batch whose keys lead to other workflows than a moment before."""

MAX_SIGNALS = 10_000
"""The number of signals that a workflow accepts."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal to a workflow."""

    tenant_id: UUID
    workflow_id: UUID
    name: str
    value: Json


@dataclass(frozen=True, slots=True)
class SignalWithStart:
    """A signal to the open workflow of the launch's idempotency key; without one, the workflow is started."""

    launch: WorkflowLaunch
    name: str
    value: Json


@dataclass(frozen=True, slots=True)
class Signalled:
    """The workflow that got a signal, whether it was started for the signal, and the event's number."""

    workflow_id: UUID
    is_new: bool
    sequence: int


class Signals:
    """The calls about signals. Equal signals are not deduplicated."""

    def __init__(self, storage: Repositories, deliveries: Deliveries) -> None:
        self._storage = storage
        self._deliveries = deliveries
        self._signals: Batcher[Signal, int] = Batcher(
            self._signal_all, weigh=lambda signal: len(signal.value), name="signals"
        )
        self._starts: Batcher[tuple[SignalWithStart, NewWorkflow], Signalled] = Batcher(
            self._start_all, weigh=lambda item: len(item[0].value) + len(item[1].input), name="signals_with_start"
        )

    async def signal(self, signal: Signal) -> int:
        """Deliver a signal and return its event's number, committed.

        Raises:
            NotFound: the tenant has no such workflow.
            WrongState: the workflow has ended.
            LimitExceeded: the workflow has got ``MAX_SIGNALS`` signals.
        """
        return await self._signals.submit(signal)

    async def signal_with_start(self, request: SignalWithStart) -> Signalled:
        """Deliver a signal to the open workflow of a key; without one, start the workflow.

        Raises:
            InvalidInput: a text of the launch is not valid; the message names the field.
            NotFound: the tenant does not exist.
            AlreadyExists: the key leads to a task or a promise.
            LimitExceeded: the workflow has got ``MAX_SIGNALS`` signals.
        """
        return await self._starts.submit((request, new_workflow(request.launch)))

    async def signal_all(self, signals: Sequence[Signal]) -> int:
        """Deliver signals in one transaction; return how many were accepted. See ``signal``."""
        return sum(isinstance(result, int) for result in await self._signal_all(signals))

    async def close(self) -> None:
        """Wait until all accepted signals are committed."""
        await self._signals.close()
        await self._starts.close()

    async def _signal_all(self, signals: Sequence[Signal]) -> Sequence[int | FlovynError]:
        results: list[int | FlovynError] = []
        steps: list[WorkflowStep] = []
        async with self._deliveries.dispatching() as dispatch, self._storage.database.transaction() as connection:
            keys = list({(each.tenant_id, each.workflow_id) for each in signals})
            states = await self._storage.workflows.lock(connection, keys)
            for each in signals:
                key = (each.tenant_id, each.workflow_id)
                step = (
                    _signalled(states[key], each.name, each.value)
                    if key in states
                    else unknown_workflow(each.workflow_id)
                )
                results.append(step if isinstance(step, FlovynError) else step.state.last_sequence)
                if isinstance(step, WorkflowStep):
                    states[key] = step.state
                    steps.append(step)
            await dispatch.apply(connection, steps)
        return results

    async def _start_all(
        self, items: Sequence[tuple[SignalWithStart, NewWorkflow]]
    ) -> Sequence[Signalled | FlovynError]:
        for _ in range(ATTEMPTS):
            try:
                return await self._attempt(items)
            except _Changed:
                continue  # the transaction was rolled back, with the keys that it had claimed
        raise Unavailable("the workflow of this workflow_id ended and was started again too often; try again")

    async def _attempt(self, items: Sequence[tuple[SignalWithStart, NewWorkflow]]) -> Sequence[Signalled | FlovynError]:
        async with self._deliveries.dispatching() as dispatch, self._storage.database.transaction() as connection:
            batch = await self._batch(connection, items)
            results = [batch.apply(request) for request, _ in items]
            if batch.started:
                await self._storage.workflows.insert(connection, batch.started)
            await dispatch.apply(connection, batch.steps)
        return results

    async def _batch(
        self, connection: DatabaseConnection, items: Sequence[tuple[SignalWithStart, NewWorkflow]]
    ) -> _Batch:
        """Lock the workflows that keys lead to; then claim the keys that lead to no open workflow.

        Workflows are locked before keys (``server.engine.idempotency``), so that the keys are read first without a
        lock. If the claim then finds another open workflow under a key, this workflow is not locked, and the batch
        begins again.
        """
        workflows: dict[Key, NewWorkflow] = {}
        for request, workflow in items:
            workflows.setdefault(_key(request), workflow)
        claims = {_key(request): _claim(request, workflows[_key(request)]) for request, _ in items}
        holders = await self._storage.keys.holders(connection, list(claims))
        led_to = [(key[0], each.entity_id) for key, each in holders.items() if each.entity is Entity.WORKFLOW]
        states = await self._storage.workflows.lock(connection, led_to) if led_to else {}
        free = {key: each for key, each in claims.items() if not _is_open(holders.get(key), key, states)}
        if free:
            new_holders = await claim(
                connection, self._storage.keys, list(free.values()), is_taken=lambda each: each.is_open
            )
            holders |= dict(zip(free, new_holders, strict=True))
        for key, each in holders.items():
            elsewhere = each.entity is Entity.WORKFLOW and each.entity_id != workflows[key].id
            if elsewhere and not _is_open(each, key, states):
                raise _Changed
        return _Batch(workflows, holders, states)


class _Changed(Exception):
    """A key leads to another workflow than a moment before; the new one is not locked."""


class _Batch:
    """The signals of one transaction: their workflows are locked, or started for the first signal."""

    def __init__(
        self, workflows: dict[Key, NewWorkflow], holders: dict[Key, KeyHolder], states: dict[WorkflowKey, WorkflowState]
    ) -> None:
        self._new = workflows
        self._holders = holders
        self._states = states
        self.started: list[NewWorkflow] = []
        self.steps: list[WorkflowStep] = []

    def apply(self, request: SignalWithStart) -> Signalled | FlovynError:
        """Deliver one signal; return an error if it is refused."""
        key = _key(request)
        holder = self._holders[key]
        if holder.entity is not Entity.WORKFLOW:
            return key_conflict(key[1], holder)
        workflow_key = (key[0], holder.entity_id)
        is_new = workflow_key not in self._states
        if is_new:
            self.started.append(self._new[key])
            self._states[workflow_key] = _fresh(self._new[key])
        step = _signalled(self._states[workflow_key], request.name, request.value)
        if isinstance(step, FlovynError):
            return step
        self._states[workflow_key] = step.state
        self.steps.append(step)
        return Signalled(holder.entity_id, is_new, step.state.last_sequence)


def _claim(request: SignalWithStart, workflow: NewWorkflow) -> KeyClaim:
    assert request.launch.idempotency_key is not None
    return KeyClaim(workflow.tenant_id, request.launch.idempotency_key, Entity.WORKFLOW, workflow.id)


def _key(request: SignalWithStart) -> Key:
    assert request.launch.idempotency_key is not None
    return (request.launch.tenant_id, request.launch.idempotency_key.key)


def _is_open(holder: KeyHolder | None, key: Key, states: dict[WorkflowKey, WorkflowState]) -> bool:
    if holder is None or holder.entity is not Entity.WORKFLOW or not holder.is_open:
        return False
    state = states.get((key[0], holder.entity_id))
    return state is not None and not state.status.is_terminal


def _fresh(workflow: NewWorkflow) -> WorkflowState:
    """Return the state of a new workflow before its first claim."""
    return WorkflowState(
        tenant_id=workflow.tenant_id,
        id=workflow.id,
        kind=workflow.kind,
        queue=workflow.queue,
        status=WorkflowStatus.PENDING,
        last_sequence=1,
        dispatched_sequence=0,
        waking_sequence=0,
        has_dependents=workflow.has_key,
        history_bytes=workflow.started.size,
        trace=workflow.trace,
    )


def _signalled(state: WorkflowState, name: str, value: Json) -> WorkflowStep | FlovynError:
    if state.signal_count >= MAX_SIGNALS:
        return LimitExceeded(f"workflow execution {state.id} has got {MAX_SIGNALS} signals, which is the limit")
    data = json_object(signalName=dump(name), signalValue=value)
    step = receive(state, Delivery(state.tenant_id, state.id, NewEvent(EventType.SIGNAL_RECEIVED, data)))
    if step is None:
        return WrongState(f"workflow execution {state.id} is {state.status} and accepts no signals")
    return replace(step, state=replace(step.state, signal_count=state.signal_count + 1))
