"""The columns of the server's own tables: what may stand behind the dot of ``t.name`` without being a call."""

from __future__ import annotations

CORE_COLUMNS = frozenset(
    """
    answer applied_at applied_by attempt call_hash cancellable cascades category checksum child_execution_name
    claim_at claim_id claimed_at claimed_by completed_at content_hash contested created_at created_by cron
    deadline_at depth description dispatched_sequence duration_ms enabled end_at error event_data event_type
    execution_count expires_at finished_at fire_at former_holders has_dependents held_by history_bytes host_name id
    input input_schema key kind last_heartbeat_at last_run_at last_sequence level max_retries message metadata
    missed_run_policy name next_run_at ordinal output output_schema overlap_policy parent_id plugin priority_ms
    process_id progress progress_details promise_id queue reason region registered_at requested_by resource_id
    retry_count retry_policy run_at run_count schedule_id scheduled_at scheduled_for sequence settled_at
    signal_count slug started_at status submission_digest superseded tags target task_execution_id team_id tenant_id
    tier timeout_at timeout_seconds timer_id timezone updated_at value version waking_sequence worker_id worker_name
    worker_type worker_version workflow_execution_id workflow_version
    """.split()
)
"""By any table; ``test_migration_safety`` compares them with the migrated schema."""

SYSTEM_COLUMNS = frozenset({"ctid", "tableoid", "xmin", "xmax", "cmin", "cmax"})
