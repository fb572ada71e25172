"""Looks up, for a whole batch, what exists already of what its commands name: one query per kind, if it is named."""

from __future__ import annotations

from collections.abc import Sequence

from core.connection import DatabaseConnection
from server.domain.command import CancelTimer, ResolvePromiseCommand, ScheduleChild, ScheduleTask, StartTimer
from server.domain.submission import Submission
from server.engine.submission.drafts import Known, KnownPromise
from server.storage.repositories import Repositories


async def look_up(connection: DatabaseConnection, storage: Repositories, submissions: Sequence[Submission]) -> Known:
    """Return what exists; the workflows are locked, so the result holds until the end of the transaction."""
    known = Known()
    given = [(each.tenant_id, each.workflow_id, command) for each in submissions for command in each.commands]
    timers = [
        (tenant, workflow, each.timer_id)
        for tenant, workflow, each in given
        if isinstance(each, StartTimer | CancelTimer)
    ]
    if timers:
        known.timers = await storage.timers.existing(connection, timers)
    references = [
        (tenant, workflow, each.reference)
        for tenant, workflow, each in given
        if isinstance(each, ResolvePromiseCommand)
    ]
    if references:
        for promise, pending in await storage.promises.named(connection, references):
            key = (promise.tenant_id, promise.workflow_id)
            known.promises[key] = (*known.promises.get(key, ()), KnownPromise(promise.id, promise.name, pending))
    tasks = [(tenant, each.task_id) for tenant, _, each in given if isinstance(each, ScheduleTask)]
    if tasks:
        known.tasks = await storage.tasks.existing(connection, tasks)
    children = [(tenant, each.child_id) for tenant, _, each in given if isinstance(each, ScheduleChild)]
    if children:
        known.children = await storage.workflows.parents(connection, children)
    return known
