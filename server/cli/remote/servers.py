"""Finds the server that a command speaks to: options, then variables, then a ``dev`` that runs on this machine."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from server.cli.remote.failures import REFUSED, USAGE, CommandFailed

DEFAULT_FOLDER: Final = "~/.local/share/flovyn-server/dev"
RUNNING_FILE: Final = "running.json"
"""In the data folder of ``dev``: its addresses and keys, locked by the process for as long as it runs."""

SERVER, TOKEN, TOKEN_FILE, TENANT = "FLOVYN_SERVER", "FLOVYN_TOKEN", "FLOVYN_TOKEN_FILE", "FLOVYN_TENANT"


@dataclass(frozen=True, slots=True)
class CalledServer:
    """A server, and the credential to call it with; ``tenant`` is None where the credential tells it."""

    url: str
    token: str = field(repr=False)
    tenant: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say which server is called, as which caller."""
    group = parser.add_argument_group("server", "without these: a 'dev' that runs on this machine")
    group.add_argument("--server", metavar="URL", help=f"address of the REST API (variable {SERVER})")
    token = group.add_mutually_exclusive_group()
    token.add_argument("--token-file", metavar="FILE", help=f"file that holds the credential (variable {TOKEN_FILE})")
    token.add_argument(
        "--token", help=f"the credential; other users may see it in the list of processes (better: variable {TOKEN})"
    )
    group.add_argument("--tenant", metavar="SLUG", help=f"tenant, if not the credential's (variable {TENANT})")
    group.add_argument(
        "--data-dir", default=DEFAULT_FOLDER, metavar="DIR", help="data folder of the 'dev' (default: %(default)s)"
    )


def place_of(arguments: argparse.Namespace) -> CalledServer:
    """Return the server that the options, the variables or a running ``dev`` name.

    Raises:
        CommandFailed: none of them names one, or the credential is missing.
    """
    environ = os.environ
    url, token = arguments.server or environ.get(SERVER), _token(arguments)
    tenant = arguments.tenant or environ.get(TENANT)
    if url:
        if not token:
            raise CommandFailed(f"credentials are missing: set {TOKEN}, or use --token-file", REFUSED)
        return CalledServer(_checked(url), token, tenant)
    running = running_dev(Path(arguments.data_dir).expanduser())
    if running is None:
        text = f"no server is named and no 'dev' runs on {arguments.data_dir}: use --server, or set {SERVER}"
        raise CommandFailed(text, USAGE)
    return CalledServer(running["rest"], token or running["adminKey"], tenant or running["tenant"])


def running_dev(folder: Path) -> dict[str, Any] | None:
    """Return the addresses and keys of the ``dev`` that runs on a data folder; None when none runs."""
    file = folder / RUNNING_FILE
    try:
        with file.open("rb") as opened:
            found: dict[str, Any] = json.loads(opened.read())
            if "rest" not in found:
                return None
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:  # its process lives
        return found
    except (OSError, ValueError):  # there is none, it is another user's, or it only just starts
        return None
    return None


def _token(arguments: argparse.Namespace) -> str | None:
    given: str | None = arguments.token
    if given:
        return given
    named = arguments.token_file or (None if os.environ.get(TOKEN) else os.environ.get(TOKEN_FILE))
    if named is None:
        return os.environ.get(TOKEN)
    try:
        return Path(named).expanduser().read_text().strip()
    except (OSError, ValueError) as error:
        raise CommandFailed(f"the file of the token, {named}, cannot be read: {error}", USAGE) from None


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise CommandFailed(f"--server: {url!r} is no address, such as https://flovyn.example.com", USAGE)
    if parts.username is not None:
        raise CommandFailed("--server: the address holds credentials; use --token-file", USAGE)
    return url.rstrip("/")
