"""Starts an edition's file as an operator does: it says what it is, verifies itself, migrates, serves, and stops.

    python3 .ci/start.py bazel-bin/editions/full.pex

DATABASE_URL names an empty database. The edition gets the environment of the caller, and free ports.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0
SAYS = (
    ["version"],
    ["plugins"],
    ["verify"],
    ["config", "example"],
    ["config", "schema"],
    ["openapi"],
    ["config", "check"],
    ["migrate"],
    ["doctor"],
)


def free_port() -> int:
    """Return a port that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def environment() -> dict[str, str]:
    """Return the settings of the server under test."""
    given = {"BIND_HOST": "127.0.0.1", "WORKER_TOKEN_SECRET": secrets.token_urlsafe(48)}
    ports = {"SERVER_PORT": str(free_port()), "GRPC_SERVER_PORT": str(free_port())}
    return {**os.environ, **given, **ports}


def wait_until_ready(server: subprocess.Popen[bytes], port: str) -> None:
    """Return when the server says that it is ready; end the program when it does not."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_/health/ready", timeout=2) as answer:
                print("ready:", json.load(answer))
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    server.kill()
    raise SystemExit(f"the server was not ready within {READY_WITHIN_S:g} s")


def main(arguments: list[str]) -> int:
    """Do all of it; 1 as soon as something fails."""
    (file,) = arguments
    environ = environment()
    for words in SAYS:
        print("==", *words, flush=True)
        shown = None if words[0] in {"version", "plugins", "verify", "migrate", "doctor"} else subprocess.DEVNULL
        if subprocess.run([file, *words], env=environ, stdout=shown, check=False).returncode:
            return 1
    print("== serve", flush=True)
    with subprocess.Popen([file, "serve"], env=environ) as server:
        wait_until_ready(server, environ["SERVER_PORT"])
        server.send_signal(signal.SIGTERM)
        code = server.wait(STOP_WITHIN_S)
    print(f"stopped with code {code}")
    return 1 if code else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
