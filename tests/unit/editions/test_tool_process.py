"""A tool of a build action as a persistent worker of Bazel: it runs as in an interpreter of its own."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from editions.tools.work_protocol import number, requests, response

ROOT = Path(__file__).parents[3]
TOOL = """
import os, socket, sys

RUNS = []

def main(arguments):
    RUNS.append(arguments)
    print("VERSION", len(RUNS), *arguments, flush=True)
    if arguments == ["raise"]:
        raise ValueError("broken")
    if arguments == ["exit"]:
        sys.exit(7)
    if arguments == ["die"]:
        os.kill(os.getpid(), 9)
    if arguments == ["stdin"]:
        print(repr(sys.stdin.read()))
    if arguments == ["network"]:
        print(sorted(name for _, name in socket.if_nameindex()))
    return 3
"""


class Worker:
    """A persistent worker, and the other end of its pipes."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "editions.tools.tool_process", "tool", "--persistent_worker"]
        path = os.pathsep.join([str(folder), str(ROOT)])
        environ = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, *arguments: str, request: int = 0) -> tuple[int, str, int]:
        """Return the exit code, the output and the id of the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(asked(list(arguments), request))
        self.process.stdin.flush()
        fields = dict(answered(self.process.stdout))
        return int(fields[1]), str(fields[2]), int(fields[3])


def asked(arguments: list[str], request: int) -> bytes:
    """A request as Bazel writes it, with the inputs that it adds."""
    texts = b"".join(b"\x0a" + number(len(text.encode())) + text.encode() for text in arguments)
    file = b"\x0a\x04file\x12\x02\xff\xff"
    message = texts + b"\x12" + number(len(file)) + file + (b"\x18" + number(request) if request else b"")
    return number(len(message)) + message


def answered(stream: IO[bytes]) -> Iterator[tuple[int, int | str]]:
    """The fields of an answer, decoded without the code under test."""
    read = stream.read

    def varint() -> int:
        value = shift = 0
        while True:
            [byte] = read(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    varint()
    for field in (1, 2, 3):
        [key] = read(1)
        assert key >> 3 == field
        yield field, read(varint()).decode() if key & 7 == 2 else varint()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """A worker that runs the tool."""
    (tmp_path / "tool.py").write_text(TOOL)
    worker = Worker(tmp_path)
    with worker.process:
        yield worker
    assert worker.process.returncode == 0


def test_each_action_finds_the_tool_as_it_was_imported(worker: Worker) -> None:
    """A module's state of one action is not there in the next; the answer has the request's id."""
    for text, request in (("one", 0), ("zwei ü", 1), ("x" * 300, 70000)):
        assert worker.run(text, request=request) == (3, f"VERSION 1 {text}\n", request)


def test_a_tool_that_fails_is_answered_with_what_it_printed(worker: Worker) -> None:
    """An exception, an exit, a signal: none of them ends the worker."""
    code, output, _ = worker.run("raise")
    assert code == 1
    assert output.endswith("ValueError: broken\n")
    assert worker.run("exit")[0] == 7
    code, output, _ = worker.run("die")
    assert (code, output.splitlines()[-1]) == (1, "the tool was ended by signal 9")
    assert worker.run("one")[0] == 3


def test_a_tool_cannot_read_requests(worker: Worker) -> None:
    """Its standard input is empty."""
    assert worker.run("stdin")[1].endswith("\n''\n")


def test_a_tool_has_no_network_where_name_spaces_exist(worker: Worker) -> None:
    """As in Bazel's sandbox."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-Un", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user name spaces here")
    assert worker.run("network")[1].endswith("\n['lo']\n")


def test_a_changed_tool_is_imported_anew(tmp_path: Path, worker: Worker) -> None:
    """For the action that comes next, and for those behind it."""
    assert worker.run("one")[1].startswith("VERSION 1")
    for version in ("SECOND", "THIRD"):
        (tmp_path / "tool.py").write_text(TOOL.replace("VERSION", version))
        for text in ("two", "three"):
            assert worker.run(text) == (3, f"{version} 1 {text}\n", 0)


def test_messages_are_those_of_the_protocol() -> None:
    """As protobuf encodes them; fields that are not needed are skipped, whatever their kind."""
    others = b"\x12\x03abc" + b"\x21" + b"8" * 8 + b"\x2d" + b"4" * 4 + b"\x28\x96\x01"
    message = b"\x0a\x03one" + others + b"\x0a\x00" + b"\x18\x96\x01"
    assert list(requests(io.BytesIO(number(len(message)) + message))) == [(["one", ""], 150)]
    assert response(1, b"no\xff", 150) == b"\x0c\x08\x01\x12\x05no\xef\xbf\xbd\x18\x96\x01"
