"""The columns of the server's own tables: what may stand behind the dot of ``t.name`` without being a call."""

from __future__ import annotations

CORE_COLUMNS = frozenset(
    """
    agent_execution_id answer applied_at applied_by attempt call_hash cancel_at cancel_reason cancellable cascades
    category checkpoint_seq checksum child_execution_name claim_at claim_id claim_number claimed_at claimed_by
    completed_at consumed_at content content_hash contested created_at created_by cron deadline_at depth description
    dispatched_sequence duration_ms enabled end_at ended_in_claim entry_type error event_data event_type
    execution_count expires_at failure_type finished_at fire_at former_holders has_dependents has_provisional held_by
    history_bytes host_name id input input_schema joined_ids key kind last_heartbeat_at last_run_at last_seen_at
    last_sequence leaf_entry_id level lost_claims max_retries message metadata missed_run_policy name next_run_at
    number ordinal output output_schema overlap_policy parent_id persistence_mode plugin principal_id principal_type
    priority_ms process_id progress progress_details promise_id provisional purpose queue reason region registered_at
    requested_by resource_id retry_count retry_policy role run_at run_count schedule_id scheduled_at scheduled_for
    sealed secret secret_digest sender_id sequence settled_at signal_count size slug stack_trace started_at state
    status submission_digest superseded tags target task_execution_id team_id tenant_id tier timeout_at
    timeout_seconds timer_id timezone token_usage trace_context turn_id updated_at used_at value version wait_ids
    wait_kind wait_name wait_reason waking_sequence worker_id worker_name worker_type worker_version
    workflow_execution_id workflow_version
    """.split()
)
"""By any table; ``test_migration_safety`` compares them with the migrated schema."""

SYSTEM_COLUMNS = frozenset({"ctid", "tableoid", "xmin", "xmax", "cmin", "cmax"})
