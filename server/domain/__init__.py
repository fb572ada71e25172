"""The domain: values and rules of workflow executions, tasks and schedules, without storage and protocols."""
