"""Runs a tool once, or as a persistent worker of Bazel, which imports the tool once and runs it in a child per action.

    python3 -m editions.tools.tool_process MODULE ARGUMENT…

Bazel adds ``--persistent_worker`` where its strategy is `worker`, and then sends a request for each action. To import a
tool costs more than most actions do. A child begins as a copy of a process that has imported the tool and done nothing
else, so no action sees another one; it has no network where the kernel can take that away. When a file of the tool has
changed, the action and all later ones get a new interpreter. The tool must read no other file when it is imported.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NoReturn

from editions.tools.work_protocol import requests, response

PERSISTENT = "--persistent_worker"

_NEW_USER_SPACE, _NEW_NETWORK = 0x10000000, 0x40000000

Tool = Callable[[list[str]], int]


def serve(module: str, stream: BinaryIO, answers: BinaryIO) -> bool:
    """Answer each request on the stream; return False when the tool is no longer as it was imported."""
    tool: Tool = importlib.import_module(module).main
    imported = _files()
    gc.freeze()  # children need not look through the imported modules, nor copy them
    for arguments, request in requests(stream):
        fresh = _files() == imported
        code, output = in_child(tool, arguments) if fresh else in_child(_anew, [module, *arguments])
        answers.write(response(code, output, request))
        answers.flush()
        if not fresh:
            return False
    return True


def in_child(tool: Tool, arguments: list[str]) -> tuple[int, bytes]:
    """Run the tool in a copy of this process; return its exit code and what it printed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_child(tool, arguments, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as printed:
        output = printed.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return (code, output) if code >= 0 else (1, output + f"the tool was ended by signal {-code}\n".encode())


def _be_child(tool: Tool, arguments: list[str], output: int) -> NoReturn:
    """Run the tool and end; what it prints goes to the pipe, since standard output is Bazel's."""
    code = 1
    try:
        _leave_network()
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        importlib.invalidate_caches()  # other inputs lie in the folders than those at the start
        code = tool(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - a child that went on would answer for its parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _leave_network() -> None:
    """Leave the network as Bazel's sandbox does: by a name space, which some machines do not offer."""
    if sys.platform == "linux":
        ctypes.CDLL(None).unshare(_NEW_USER_SPACE | _NEW_NETWORK)


def _files() -> dict[str, tuple[int, int, int] | None]:
    """The state of each file that a module was imported from; Bazel itself does not look into folders of wheels."""
    names = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return {name: _state(name) for name in names if name}


def _state(file: str) -> tuple[int, int, int] | None:
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, found.st_size


def _anew(arguments: list[str]) -> NoReturn:
    """Become a new interpreter with the same program."""
    os.execv(sys.executable, [sys.executable, "-s", "-S", "-m", "editions.tools.tool_process", *arguments])  # noqa: S606


def main(arguments: list[str]) -> int:
    """Run from a build action."""
    module, *given = arguments
    if PERSISTENT not in given:
        tool: Tool = importlib.import_module(module).main
        return tool(given)
    if not serve(module, sys.stdin.buffer, os.fdopen(os.dup(1), "wb")):
        _anew(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
