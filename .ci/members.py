"""Says where two editions differ: by member, or before the first one.

python3 .ci/members.py ONE OTHER
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

_SHOWN = 20


def digests(pex: str) -> dict[str, str]:
    """Return every member's digest."""
    with zipfile.ZipFile(pex) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def main(one: str, other: str) -> int:
    """Print the differences; 1 when there is one."""
    if Path(one).read_bytes() == Path(other).read_bytes():
        return 0
    ours, theirs = digests(one), digests(other)
    different = [name for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
    print(f"{one} and {other} differ in {len(different)} members")
    for name in different[:_SHOWN]:
        print(f"  {ours.get(name, 'missing')[:12]}  {theirs.get(name, 'missing')[:12]}  {name}")
    if not different:
        print("  every member is the same: what differs is the header, an entry's attributes, or dead bytes")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
