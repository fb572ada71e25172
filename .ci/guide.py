"""Follows a document literally, in the folder of a checkout: every command in it must work.

    python3 .ci/guide.py docs/plugin-development.md CHECKOUT BAZEL_OPTION…

Blocks marked `sh` are run one after the other, `sh server` is started and kept until the end (its token goes into
TOKEN), `json editions/editions.json` is added to that file's editions, `toml FILE` is written to that file. The options
are given to every `./bazelw`.
"""

from __future__ import annotations

import json
import os
import queue
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

BASH = "/usr/bin/env", "bash"
TOKEN_TIMEOUT_S = 120


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield every block's kind and content."""
    for match in re.finditer(r"^```(\S[^\n]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield match[1], match[2]


def add_edition(file: Path, entry: str) -> None:
    """Add an entry to the menu of editions."""
    menu = json.loads(file.read_text("utf-8"))
    menu["editions"].update(json.loads("{" + entry + "}"))
    file.write_text(json.dumps(menu, indent=2) + "\n", "utf-8")


def start(command: str, environ: dict[str, str]) -> subprocess.Popen[str]:
    """Start a server, wait until it prints its token, and keep that in the environment."""
    server = subprocess.Popen([*BASH, "-c", f"exec {command.strip()}"], env=environ, stdout=subprocess.PIPE, text=True)
    tokens: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=relay, args=(server, tokens), daemon=True).start()
    try:
        token = tokens.get(timeout=TOKEN_TIMEOUT_S)
    except queue.Empty:
        server.kill()
        raise SystemExit(f"the server of the guide printed no token within {TOKEN_TIMEOUT_S} s") from None
    if token is None:
        raise SystemExit(f"the server of the guide ended with code {server.wait()}")
    environ["TOKEN"] = token
    return server


def relay(server: subprocess.Popen[str], tokens: queue.SimpleQueue[str | None]) -> None:
    """Print what the server prints until it ends, so that its pipe never fills; pass on its token, then None."""
    assert server.stdout is not None
    for line in server.stdout:
        print(line, end="", flush=True)
        if line.startswith("token "):
            tokens.put(line.split()[1])
    tokens.put(None)


def main(arguments: list[str]) -> int:
    """Follow the document."""
    document, checkout, *more = arguments
    os.chdir(checkout)
    options = " ".join(map(shlex.quote, more))
    environ = dict(os.environ)
    server: subprocess.Popen[str] | None = None
    try:
        for kind, content in blocks(Path(document).read_text("utf-8")):
            if kind == "json editions/editions.json":
                add_edition(Path("editions/editions.json"), content)
            elif kind.startswith("toml "):
                Path(kind.removeprefix("toml ")).write_text(content, "utf-8")
            elif kind == "sh server":
                server = start(content, environ)
            elif kind == "sh":
                script = re.sub(r"^\./bazelw", f"./bazelw {options}", content, flags=re.MULTILINE)
                print(script, end="", flush=True)
                subprocess.run([*BASH, "-euo", "pipefail", "-c", script], env=environ, check=True)
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=60)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
