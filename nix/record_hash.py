"""Records the hash of the wheels for this system, Python and these locks, as the warning of the flake asks for it.

    python3 nix/record_hash.py NIX_OPTION…

Nix downloads the wheels, finds no recorded hash, and prints the one that it got. Run it at the root of the
checkout.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

RECORDED = Path("nix/wheelhouse-hashes.json")
_WANTED = re.compile(r'"(?P<key>[\w.-]+)": \{"locks": "(?P<locks>[0-9a-f]+)", "hash": "sha256-…"\}')
_GOT = re.compile(r"^\s*got:\s+(?P<hash>sha256-\S+)$", re.MULTILINE)


def main(options: list[str]) -> int:
    """Run from the command line; 1 with Nix's own words when the wheels cannot be had."""
    command = ["nix", "build", "--no-link", ".#wheelhouse", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wanted, got = _WANTED.search(done.stderr), _GOT.search(done.stderr)
    if done.returncode == 0:
        print(f"{RECORDED} holds the hash for these locks already")
        return 0
    if wanted is None or got is None:
        print(done.stderr, file=sys.stderr)
        return 1
    recorded = json.loads(RECORDED.read_text("utf-8"))
    recorded[wanted["key"]] = {"locks": wanted["locks"], "hash": got["hash"]}
    RECORDED.write_text(json.dumps(recorded, indent=2, sort_keys=True) + "\n", "utf-8")
    print(f"{RECORDED}: {wanted['key']} {got['hash']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
