"""Fixtures of every test, the plugins' too: databases when asked for.

A plugin in a workspace of its own loads them by ``pytest_plugins = ["tests.support.fixtures"]`` in its conftest.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import Databases, running_cluster


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """A PostgreSQL cluster of this test session's own."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as databases:
        yield databases


@pytest.fixture
def empty_database(databases: Databases) -> Iterator[str]:
    """The address of an empty database."""
    with databases.empty() as url:
        yield url


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    """The address of a database with the core schema."""
    with databases.migrated() as url:
        yield url
