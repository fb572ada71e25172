"""Packs the running interpreter (its program, its library and what it is linked to) as python-build-standalone would."""

from __future__ import annotations

import io
import os
import platform
import re
import sys
import sysconfig
import tarfile
from pathlib import Path

_LEFT_OUT = re.compile(
    "site-packages|dist-packages|test|__pycache__|config-.*|ensurepip|idlelib|lib2to3|pydoc_data|tkinter|turtledemo"
)
"""Folders that no edition needs: each start of a test unpacks the archive."""


def main(out: Path) -> None:
    """Write the archive."""
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    python = Path(os.path.realpath(f"{sys.base_prefix}/bin/python{minor}"))
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    shared = sysconfig.get_config_var("LDLIBRARY")
    libpython = Path(sysconfig.get_config_var("LIBDIR"), shared if str(shared).endswith(".so") else "none")

    header = f'#define PY_VERSION "{platform.python_version()}"\n'.encode()

    def kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if any(map(_LEFT_OUT.fullmatch, Path(entry.name).parts)) else entry

    with tarfile.open(out, "w:gz", compresslevel=1, dereference=True) as archive:
        archive.add(python, f"python/bin/python{minor}")
        entry = tarfile.TarInfo(f"python/include/python{minor}/patchlevel.h")
        entry.size = len(header)
        archive.addfile(entry, io.BytesIO(header))
        archive.add(library, f"python/lib/python{minor}", filter=kept)
        for file in libpython.parent.glob(f"{libpython.name}*"):
            if not file.is_symlink():  # the linker's name; programs load the file itself
                archive.add(file, f"python/lib/{file.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
