"""Checks of ``flovyn-server doctor`` on this machine: interpreter, settings, ports, disk and limits."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from core.errors import StartupError
from server.boot.edition import Edition
from server.boot.preparation import Prepared
from server.cli.finding import Diagnosis, fail, ok, warn
from server.cli.in_use import own_root
from server.cli.processes import listener
from server.config.descriptors import needed
from server.plugin_checks.contributions import SERVER_AUTHENTICATORS, SERVER_AUTHORIZERS
from server.process.ports import check_free

MIB = 1024 * 1024
LITTLE_MIB, TOO_LITTLE_MIB = 500, 20
"""Unpacking an edition takes about 100 MiB; a server that runs writes little more than its metrics."""

_NO_AUTHENTICATION = SERVER_AUTHENTICATORS[1]
_NOTHING_ASKED = SERVER_AUTHORIZERS[3:]


def python(edition: Edition) -> Diagnosis:
    """Whether this is the Python that the edition was built for."""
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    built = edition.build_info.python
    if running != built:
        return fail("python", f"this is Python {running}, the edition is for {built}", f"install Python {built}")
    return ok("python", f"{sys.version.split()[0]} at {sys.executable}")


@contextmanager
def warnings() -> Iterator[list[str]]:
    """Collect what is logged as a warning, instead of printing it."""
    said: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    root = logging.getLogger()
    before = list(root.handlers)
    root.handlers[:] = [Kept(logging.WARNING)]
    try:
        yield said
    finally:
        root.handlers[:] = before


def settings(prepared: Prepared, said: Sequence[str]) -> Iterator[Diagnosis]:
    """Check the settings for choices that operators should avoid; ``said`` are warnings of reading them."""
    advice = "mend the name, or ignore this when the table is another program's"
    found = [warn("settings", text, advice) for text in said]
    for protocol, plan in prepared.auth.items():
        for paths, checks in plan.all_checks():
            where = f"{protocol}, {paths}"
            if not checks.authenticators or _NO_AUTHENTICATION in checks.authenticators:
                found.append(warn("settings", f"{where}: calls are not authenticated", "list authenticators in [auth]"))
            elif checks.authorizer in _NOTHING_ASKED:
                text = f"{where}: every authenticated caller may do everything"
                found.append(warn("settings", text, "choose the authorizer tenant_scope or roles"))
    yield from found or [ok("settings", "every call is authenticated and authorized")]


def ports(prepared: Prepared) -> Iterator[Diagnosis]:
    """Whether the ports are free, or this server's."""
    chosen = prepared.settings
    for name in ("server_port", "grpc_server_port"):
        yield _port(name, chosen.bind_host, getattr(chosen, name))


def _port(name: str, host: str, port: int) -> Diagnosis:
    try:
        check_free(host, port, name)
    except StartupError as error:
        held = listener(port)
        if held is None:
            return fail("ports", str(error), f"find the process: ss -ltnp 'sport = :{port}'")
        pid, command = held
        if f"{sys.prefix}/" in command:
            return ok("ports", f"{name} {port}: process {pid}, a server of this same file, has it")
        return fail("ports", f"{name} {port}: process {pid} uses it: {command[:120]}", "stop it or choose another port")
    return ok("ports", f"{name} {port} is free" if port else f"{name}: a free one is taken")


def disk() -> Iterator[Diagnosis]:
    """Check the free space for the unpacked edition and for temporary files."""
    root = own_root()
    if root is not None:
        yield _folder(root, "PEX_ROOT")
    yield _folder(Path(tempfile.gettempdir()), "TMPDIR")


def _folder(folder: Path, variable: str) -> Diagnosis:
    free = shutil.disk_usage(folder).free // MIB
    place = f"{folder} ({variable}): {free} MiB free"
    advice = f"make room, or choose another folder with {variable}; 'flovyn-server cache prune' removes old editions"
    if free < TOO_LITTLE_MIB:
        return fail("disk", place, advice)
    if not os.access(folder, os.W_OK):
        if variable == "PEX_ROOT":  # unpacked ahead by another user, as in a container
            return ok("disk", f"{place}, read-only: this edition is unpacked, no other could be")
        return fail("disk", f"{place}, not writable", f"make it writable or set {variable}")
    return warn("disk", place, advice) if free < LITTLE_MIB else ok("disk", place)


def limits(prepared: Prepared) -> Diagnosis:
    """Whether a worker process may open as many files as the settings ask for."""
    chosen = prepared.settings
    wanted = needed(chosen)
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # serve raises the soft limit to the hard one
    if allowed == resource.RLIM_INFINITY or allowed >= wanted:
        return ok("limits", f"{allowed} open files per process, {wanted} are enough")
    text = f"{allowed} open files per process; {wanted} may be wanted (connections to REST, gRPC and the database)"
    return warn("limits", text, f"ulimit -n {wanted}, or LimitNOFILE={wanted} in systemd")
