"""Bodies of calls that change many workflows."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from core.paging import MAX_CURSOR
from core.rest_model import Payload, RestModel
from server.rest_api.fields import null
from server.rest_api.resources.workflow_models import WorkflowConditions, WorkflowSummaryBody

DEFAULT_BATCH = 200
MAX_BATCH = 500
MAX_SHOWN = 10


class BulkRequest(RestModel):
    """The workflows that are meant, newest first. One call changes one batch; nextCursor leads to the next one."""

    filter: WorkflowConditions = Field(
        description="conditions as those of the list; at least one. Without a status: all to which the change applies"
    )
    counts_only: bool = Field(
        default=False, alias="dryRun", description="true: count the workflows and show the first, change nothing"
    )
    limit: int = Field(default=DEFAULT_BATCH, ge=1, le=MAX_BATCH, description="workflows of one batch")
    cursor: Annotated[str, Field(min_length=1, max_length=MAX_CURSOR)] | None = Field(
        None, description="the nextCursor of the batch before, with the same filter"
    )


class BulkCancel(BulkRequest):
    """A cancellation of many workflows."""

    reason: str = "cancelled over REST"
    cascade_to_children: bool = True


class BulkTerminate(BulkCancel):
    """A termination of many workflows."""

    reason: str = "terminated over REST"


class BulkSignal(BulkRequest):
    """One signal to many workflows."""

    signal_name: str
    signal_value: Payload = Field(default_factory=null)


class BulkRetry(BulkRequest):
    """A retry of many failed workflows; the note is stored in their audit events."""

    note: str | None = None


class BulkDelete(BulkRequest):
    """A deletion of many ended workflows."""


class BulkResult(RestModel):
    """The result of one batch, or of a dry run."""

    counts_only: bool = Field(alias="dryRun")
    matched: int | None = Field(description="workflows that match, as the total of a list; null unless it is a dry run")
    matched_is_exact: bool | None = Field(description="false: more than matched; null unless it is a dry run")
    changed: int = Field(description="workflows of this batch that were changed")
    skipped: int = Field(description="workflows of this batch whose status did not allow the change any more")
    first: list[WorkflowSummaryBody] = Field(description=f"of a dry run, the first workflows, at most {MAX_SHOWN}")
    next_cursor: str | None = Field(description="asks for the next batch; null after the last, and of a dry run")
    summary: str = Field(description="one line for the audit log")
