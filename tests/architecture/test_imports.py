"""The import contracts of pyproject.toml hold, each of them refuses its breach, and no library is without a contract."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest

import core
from tests.architecture.placed_imports import inside

ROOT = Path(core.__file__).parent.parent
PACKAGES = ("core", "editions", "migrations", "plugins", "server")

# in a process of its own: the library sets up logging for the whole process that it runs in
_LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports('pyproject.toml', no_cache=True))"

BREACHES = {
    "dependencies point one way; plugins and server do not know each other": (
        "plugins/hello_world/cleaner.py",
        "import server.config.settings",
        "plugins.hello_world.cleaner -> server.config.settings (l.",
    ),
    "plugins do not know one another": (
        "plugins/jwt/wire.py",
        "import plugins.audit_log.filters",
        "plugins.jwt.wire -> plugins.audit_log.filters (l.",
    ),
    "the server's layers": (
        "server/domain/timer.py",
        "import server.database.pool",
        "server.domain.timer -> server.database.pool (l.",
    ),
    "a plugin's tests are for itself": (
        "plugins/jwt/keys.py",
        "import plugins.jwt.tests.planted",
        "plugins.jwt.keys -> plugins.jwt.tests.planted (l.",
    ),
    "falcon: the REST protocol": (
        "server/observability/calls.py",
        "import falcon",
        "server.observability.calls -> falcon (l.",
    ),
    "grpc and protobuf: the gRPC protocol": (
        "server/plugin_registry/registry.py",
        "import grpc",
        "server.plugin_registry.registry -> grpc (l.",
    ),
    "OpenTelemetry: the export of traces, metrics and logs": (
        "server/boot/tracing.py",
        "import opentelemetry.trace",
        "server.boot.tracing -> opentelemetry (l.",
    ),
    "psycopg: the driver": (
        "plugins/worker_token/parts.py",
        "import psycopg",
        "plugins.worker_token.parts -> psycopg (l.",
    ),
    "psycopg_pool: the pool": (
        "server/storage/tasks.py",
        "import psycopg_pool",
        "server.storage.tasks -> psycopg_pool (l.",
    ),
    "gunicorn: processes": (
        "server/observability/logging.py",
        "import gunicorn.glogging",
        "server.observability.logging -> gunicorn (l.",
    ),
    "sqlglot: the second reader of migrations": (
        "migrations/lint/check.py",
        "import sqlglot",
        "migrations.lint.check -> sqlglot (l.",
    ),
    "structlog: the form of log lines": (
        "core/log_limit.py",
        "import structlog",
        "core.log_limit -> structlog (l.",
    ),
    "pydantic_settings: the configuration": (
        "plugins/jwt/config.py",
        "import pydantic_settings",
        "plugins.jwt.config -> pydantic_settings (l.",
    ),
    "pydantic: models of settings and bodies": (
        "server/domain/task.py",
        "import pydantic",
        "server.domain.task -> pydantic (l.",
    ),
    "cronsim: cron expressions": (
        "server/domain/schedule.py",
        "import cronsim",
        "server.domain.schedule -> cronsim (l.",
    ),
    "cryptography: signatures of a release": (
        "server/verification/beside.py",
        "import cryptography.exceptions",
        "server.verification.beside -> cryptography (l.",
    ),
    "tools of the build": (
        "server/verification/archive.py",
        "import pex",
        "server.verification.archive -> pex (l.",
    ),
    "tools of tests": (
        "server/domain/claim.py",
        "import pytest",
        "server.domain.claim -> pytest (l.",
    ),
}
"""By contract: the file, the import that breaks the contract, and the beginning of the chain in the report."""


def _contracts() -> list[dict[str, Any]]:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return list(options["contracts"])


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts on the tree at ``root``, and on no other copy of its packages."""
    path = [str(root), *(entry for entry in sys.path if entry and Path(entry).resolve() != ROOT.resolve())]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "COLUMNS": "500"}
    command = [sys.executable, "-c", _LINT]
    return subprocess.run(command, cwd=root, env=environment, check=False, capture_output=True, text=True)


def test_import_contracts() -> None:
    """Every import points the way that the architecture allows; the report names those that do not, as chains."""
    done = _lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(BREACHES)} kept, 0 broken." in done.stdout


def test_each_contract_refuses_its_breach(tmp_path: Path) -> None:
    """With one breach for each contract planted in a copy of the tree, each is broken and its chain is in the report."""
    assert list(BREACHES) == [contract["name"] for contract in _contracts()]
    _copy(tmp_path)
    for file, breach, _ in BREACHES.values():
        with (tmp_path / file).open("a") as text:
            text.write(f"\n{breach}\n")
    done = _lint(tmp_path)
    assert f"Contracts: 0 kept, {len(BREACHES)} broken." in done.stdout, done.stdout + done.stderr
    sections = _sections(done.stdout)
    assert {name: chain for name, (_, _, chain) in BREACHES.items() if chain not in sections[name]} == {}, done.stdout


def _copy(to: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.sql", "*.md", "*.bazel")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, to / package, ignore=ignored)
    (to / "tests").mkdir()
    planted = to / "plugins/jwt/tests/planted.py"
    planted.parent.mkdir(exist_ok=True)  # Bazel brings plugins without their tests
    planted.touch()
    shutil.copytree(ROOT / "tests/architecture", to / "tests/architecture", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", to)


def _sections(report: str) -> dict[str, str]:
    """Return the part of the report about each broken contract."""
    parts = re.split(r"^(.+)\n-+\n", report.partition("Broken contracts\n")[2], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_library_has_a_contract() -> None:
    """A library that is imported outside of the plugins has a contract that lists its places."""
    listed = [library for contract in _contracts() for library in contract.get("libraries", [])]
    graph = grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)
    unlisted = {
        f"{importer} -> {library}"
        for library in graph.modules
        if library.split(".")[0] not in {*PACKAGES, *sys.stdlib_module_names} and not inside(library, listed)
        for importer in graph.find_modules_that_directly_import(library)
        if not inside(importer, ["plugins"])
    }
    assert unlisted == set()


@pytest.mark.parametrize(
    ("module", "place", "is_inside"),
    [
        ("server.rest_api", "server.rest_api", True),
        ("server.rest_api.app", "server.rest_api", True),
        ("server.rest_api_x", "server.rest_api", False),
        ("server", "server.rest_api", False),
        ("plugins.a.rest", "plugins.*.rest", True),
        ("plugins.a.b.rest", "plugins.*.rest", False),
        ("plugins.a.a_pb2", "plugins.*.*_pb2", True),
        ("plugins.a.a_pb2_grpc", "plugins.*.*_pb2", False),
    ],
)
def test_a_place_is_a_package_and_all_below(module: str, place: str, *, is_inside: bool) -> None:
    """A pattern holds for one part of a name and never across a dot."""
    assert inside(module, [place]) is is_inside
