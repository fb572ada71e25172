"""Prints the blocks of one kind from a document, for a step that runs them: python3 .ci/blocks.py DOCUMENT KIND."""

from __future__ import annotations

import sys
from pathlib import Path

from guide import blocks

if __name__ == "__main__":
    document, wanted = sys.argv[1:]
    found = [content for kind, content in blocks(Path(document).read_text("utf-8")) if kind == wanted]
    if not found:
        sys.exit(f"{document} has no block of the kind {wanted!r}")
    print("".join(found), end="")
