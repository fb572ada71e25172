-- The place in a trace under which the spans of an execution are shown: traceparent, tracestate and baggage, one a line.
-- NULL where no tracer ran when the execution started.
ALTER TABLE workflow_execution ADD COLUMN trace_context text;

ALTER TABLE task_execution ADD COLUMN trace_context text;
