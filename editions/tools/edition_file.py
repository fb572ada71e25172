"""Finds editions, named as targets or as files, and reads their manifests.

Targets are built first, by the Bazel that started the program: what is compared is what the sources say now. That takes
a moment when nothing has changed, and Bazel is free by then: it lets go of its lock when the program starts.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.verification import archive

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_LABEL = re.compile(r"//(?P<package>[^:@]*)(:(?P<name>[^:/]+))?")


class NoEdition(ValueError):
    """The named target or file is no edition, or cannot be built; the text says which and why."""


@dataclass(frozen=True, slots=True)
class EditionFile:
    """An edition's manifest, and the file's size: None when only the manifest is at hand."""

    path: Path
    manifest: Mapping[str, Any]
    size: int | None


def find(words: Sequence[str]) -> list[EditionFile]:
    """Return the editions that the words name: files of the caller's folder, or targets, which are built.

    Raises:
        NoEdition: a word names neither, a build fails, or a file is no edition.
    """
    caller = Path(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    files = {word: (caller / word).resolve() for word in words if (caller / word).is_file()}
    labels = {word: _label(word) for word in words if word not in files}
    if labels:
        root = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."))
        _build(root, sorted(set(labels.values())))
        files.update(
            {word: root / "bazel-bin" / f"{label[2:].replace(':', '/')}.pex" for word, label in labels.items()}
        )
    return [read(files[word]) for word in words]


def read(path: Path) -> EditionFile:
    """Read an edition's file, or a manifest that was kept of one.

    Raises:
        NoEdition: it is neither.
    """
    try:
        if not zipfile.is_zipfile(path):
            return EditionFile(path, _manifest(json.loads(path.read_bytes())), None)
        with zipfile.ZipFile(path) as opened:
            return EditionFile(path, archive.read_manifest(opened), path.stat().st_size)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise NoEdition(f"{path} is neither an edition nor the manifest of one: {error}") from None


def _manifest(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict) or found.get("schema") != archive.SCHEMA or "members" not in found:
        raise ValueError(f"it is no manifest of schema {archive.SCHEMA}")
    return found


def _label(word: str) -> str:
    """A target's label in its long form: ``full`` is ``//editions:full``."""
    if _NAME.fullmatch(word) and not word.endswith((".pex", ".json")):
        return f"//editions:{word}"
    match = _LABEL.fullmatch(word)
    if match is None:
        raise NoEdition(f"{word} is neither a file nor a target; write full, //editions:full, or the path of a file")
    return f"//{match['package']}:{match['name'] or match['package'].rpartition('/')[2]}"


def _build(root: Path, labels: list[str]) -> None:
    """Build targets with the Bazel that started this program, which its output folder tells."""
    base, inside, _ = str(Path.cwd().resolve()).partition("/execroot/")
    start = [str(root / "bazelw"), *([f"--output_base={base}"] if inside else [])]
    done = subprocess.run([*start, "build", *labels], cwd=root, check=False, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr, file=sys.stderr, end="")
        raise NoEdition(f"{' and '.join(labels)} cannot be built; Bazel's messages are above")
