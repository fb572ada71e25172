"""Schedules: their calls, their cron rules, and the due times that this process expects."""
