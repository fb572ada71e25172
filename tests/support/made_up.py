"""A small made-up edition, and what PEX would make of it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

from editions.tools.pex_file import PexDraft
from editions.tools.sealed_pex import sealed
from server.verification import unpacked
from server.verification.archive import INSTALLER, MANIFEST, SBOM, inspect
from server.verification.environment import Origin

HEADER = b"#!/bin/sh\nexec python\n"
HASH = "0123456789abcdef0123456789abcdef01234567"
INSTALLER_TEXT = '''
def install():
        fp.write(
            dedent(
                """\\
                import os


                def extend():
                    pass
                """
            )
        )
            print(
                "import PEX_EXTRA_SYS_PATH; PEX_EXTRA_SYS_PATH.extend()",
            )
        fp.write(
            dedent(
                """\\
                {shebang}
                {code}


                if __name__ == "__main__":
                    boot(
                        shebang_python={shebang_python!r},
                        inject_env={inject_env!r},
                        entry_point={entry_point!r},
                        set_last_access={set_last_access!r},
                    )
                """
            ).format(
                shebang=shebang,
            )
        )
'''
FILES = {
    INSTALLER: INSTALLER_TEXT.encode(),
    ".bootstrap/pex/venv/venv_pex.py": b"START = 1\n",
    ".deps/a-1.whl/.layout.json": b"{}",
    ".deps/a-1.whl/a-1.dist-info/METADATA": b"Name: a\n",
    ".deps/a-1.whl/a-1.dist-info/RECORD": b"a.py,,\n",
    ".deps/a-1.whl/a.py": b"A = 1\n",
    ".deps/a-1.whl/.prefix/bin/a": b"#!python\nimport a\n",
    "PEX-INFO": json.dumps({"pex_hash": HASH, "entry_point": "server.cli:run", "inject_env": {}}).encode(),
    "__pex__/__init__.py": b"",
    "server/cli.py": b"X = 1\n" * 50,
    SBOM: b'{"bomFormat": "CycloneDX"}',
}
MEMBERS = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


def make(path: Path, schema: int = 1) -> Path:
    """A sealed edition."""
    path.write_bytes(HEADER)
    manifest = {"schema": schema, "members": MEMBERS, "header_sha256": hashlib.sha256(HEADER).hexdigest()}
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    path.write_bytes(sealed(PexDraft(path), {MANIFEST: json.dumps(manifest).encode()}))
    return path


def unpack(root: Path, pex: Path) -> Path:
    """Unpack the file as PEX does; return the folder of the environment's packages."""
    environment = root / "venvs" / "4" / HASH / "abc"
    packages = environment / "lib" / "python3.11" / "site-packages"
    members = {**FILES, MANIFEST: inspect(pex.read_bytes()).documents[MANIFEST]}
    for name, content in members.items():
        inner = name.split("/", 2)[2] if name.startswith(".deps/") else name
        if name in unpacked.in_mirror(MEMBERS | {MANIFEST: ""}):
            place(root / "unzipped_pexes" / "4" / HASH / name, content)
        if inner in unpacked.in_environment(dict.fromkeys(members, "")):
            place(packages / inner, content)
    place(packages / "a-1.dist-info" / "INSTALLER", b"pex\n")
    place(packages / "PEX_EXTRA_SYS_PATH.py", b"import os\n\n\ndef extend():\n    pass\n")
    place(packages / "PEX_EXTRA_SYS_PATH.pth", b"import PEX_EXTRA_SYS_PATH; PEX_EXTRA_SYS_PATH.extend()\n")
    surround(environment)
    place(root / "unzipped_pexes" / "4" / HASH / "PEX-LAYOUT", b"zipapp")
    return packages


def surround(environment: Path) -> None:
    """Write the files that PEX makes around the packages of an environment."""
    python = environment / "bin" / "python3.11"
    place(environment / "PEX-INFO", FILES["PEX-INFO"].replace(b" ", b"").replace(b"server.cli:run", b"server.cli:run"))
    place(environment / "bin" / "a", b"#!/bin/sh\n'''': pshprs\n" + f'exec {python} -I "$0" "$@"\n'.encode())
    with (environment / "bin" / "a").open("ab") as script:
        script.write(b"'''\nimport a\n")
    place(environment / "bin" / "activate", b"# for shells\n")
    python.symlink_to("/usr/bin/python3.11")
    (environment / "bin" / "python").symlink_to("python3.11")
    (environment / "lib64").symlink_to("lib")
    (environment / "pex").symlink_to("__main__.py")
    (environment / "include" / "python3.11").mkdir(parents=True)
    place(environment / "pex-repl", b"#!python\n")
    place(environment / "pyvenv.cfg", b"home = /usr/bin\ninclude-system-site-packages = false\n")
    main = (
        f'#!{python} -I\nSTART = 1\n\n\nif __name__ == "__main__":\n    boot(\n        shebang_python={str(python)!r},\n'
        "        inject_env=(),\n        entry_point='server.cli:run',\n        set_last_access=True,\n    )\n"
    )
    place(environment / "__main__.py", main.encode())


def place(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def wrong_copies(root: Path, pex: Path) -> list[str]:
    manifest = inspect(pex.read_bytes()).documents[MANIFEST]
    copies = unpacked.copies(root, HASH, MEMBERS, manifest)
    assert len(copies) == 2
    return [line.removeprefix(f"{root}/") for line in unpacked.problems(copies, Origin(MEMBERS, FILES))]
