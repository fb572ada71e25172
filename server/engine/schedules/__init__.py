"""Schedules: their cron rules, and when this process has work that is due."""
