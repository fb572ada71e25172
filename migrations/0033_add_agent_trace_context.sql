-- As with workflow_execution: traceparent, tracestate and baggage, one a line; NULL where no tracer ran at the start.
ALTER TABLE agent_execution ADD COLUMN trace_context text;
