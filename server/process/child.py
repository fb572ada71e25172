"""Runs a command of this same file as a child process, for ``flovyn-server dev``."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

_PR_SET_PDEATHSIG = 1
_STOP_TIMEOUT_S = 25.0


def own_command() -> list[str]:
    """Return how this program was started, without the arguments of its command line."""
    ours = len(sys.argv) - 1
    return [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - ours]]


class Child:
    """A child process with a life of its own: Ctrl-C does not reach it, but it ends when we are killed."""

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [*own_command(), *arguments],
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait until it ends and return its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        """Ask it to end, wait, and insist; safe to repeat."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
