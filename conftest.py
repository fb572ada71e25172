"""Loads the fixtures of every test."""

pytest_plugins = ["tests.support.fixtures"]
