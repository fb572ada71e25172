"""`host_python`: finds a CPython 3.11–3.14 on this machine and hands it to tools, wheels and tests.

Actions start it through a symbolic link in this repository, so no command line holds a path of this machine and a
shared cache can hit. Tests run in an empty virtual environment: what is installed beside the interpreter stays unseen.
"""

_NAMES = ["python3", "python3.11", "python3.12", "python3.13", "python3.14"]

_BUILD = """\
package(default_visibility = ["//visibility:public"])

exports_files(["bin/python3"])

filegroup(
    name = "bin",
    srcs = glob(["bin/*"]),
)

filegroup(
    name = "venv",
    srcs = [
        "venv/bin/python3",
        "venv/pyvenv.cfg",
    ],
)
"""

def _probe(rctx, exe):
    """Returns (executable, version, platform, ""), or (None, None, None, why not)."""
    result = rctx.execute([exe, "-I", str(rctx.path(rctx.attr._probe))])
    lines = result.stdout.strip().split("\n")
    if result.return_code or len(lines) != 3:
        return None, None, None, "%s: %s" % (exe, (result.stdout + result.stderr).strip() or "does not run")
    return lines[0], lines[1], lines[2], ""

def _find(rctx):
    """The interpreter to use: FLOVYN_PYTHON alone when it is set, else the first fit on PATH."""
    chosen = rctx.os.environ.get("FLOVYN_PYTHON")
    found = [chosen] if chosen else [str(rctx.which(name)) for name in _NAMES if rctx.which(name)]
    reasons = []
    for exe in found:
        path, version, platform, reason = _probe(rctx, exe)
        if path:
            return path, version, platform
        reasons.append(reason)
    fail("no CPython 3.11 to 3.14 on this machine; install one, or set FLOVYN_PYTHON to its path. Looked at:\n  " +
         ("\n  ".join(reasons) or "nothing: no python3 on PATH"))

def _host_python_impl(rctx):
    path, version, platform = _find(rctx)
    home = path.rpartition("/")[0]
    for link in ["bin/python3", "bin/python" + version, "venv/bin/python3"]:
        rctx.symlink(path, link)
    rctx.file("venv/pyvenv.cfg", "home = %s\ninclude-system-site-packages = false\n" % home)
    found = "PYTHON_PLATFORM = \"%s\"\n\nPYTHON_VERSION = \"%s\"\n" % (platform, version)
    rctx.file("defs.bzl", '"""The interpreter that was found."""\n\n' + found)
    rctx.file("BUILD.bazel", _BUILD)

host_python = repository_rule(
    implementation = _host_python_impl,
    doc = "The machine's CPython: `bin/python3`, `bin/python3.N`, an empty `venv`, and PYTHON_VERSION and PYTHON_PLATFORM in defs.bzl.",
    attrs = {
        "_probe": attr.label(
            doc = "Program that tells the real interpreter behind a shim or a virtual environment.",
            default = "//editions/toolchain:probe_python.py",
        ),
    },
    environ = ["FLOVYN_PYTHON"],
)
