"""All repositories together, for the parts of the engine that use several."""

from __future__ import annotations

from core.plugin_services import Database
from server.storage.agent_records import AgentRecordRepository
from server.storage.agents import AgentRepository
from server.storage.audit_events import AuditEventRepository
from server.storage.cancellations import CancellationRepository
from server.storage.idempotency import KeyRepository
from server.storage.promises import PromiseRepository
from server.storage.retries import RetryRepository
from server.storage.tasks import TaskRepository
from server.storage.timers import TimerRepository
from server.storage.workflows import WorkflowRepository


class Repositories:
    """One repository for each kind of thing, on one pool."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.workflows = WorkflowRepository(database)
        self.timers = TimerRepository()
        self.promises = PromiseRepository()
        self.tasks = TaskRepository(database)
        self.retries = RetryRepository()
        self.keys = KeyRepository(database)
        self.audit_events = AuditEventRepository()
        self.cancellations = CancellationRepository()
        self.agents = AgentRepository(database)
        self.agent_records = AgentRecordRepository(database)
