"""`wheelhouse`: the wheels of hash locks, one target each, fetched once for the machine's Python.

The work is done by the Python program wheelhouse.py; this rule only starts it.
"""

load(":platforms.bzl", "PLATFORMS")

WHEELHOUSE_SETTINGS = ["FLOVYN_WHEELHOUSE"]

def watch(rctx, files):
    """Makes the repository depend on files; Bazel 4 does that for label attributes by itself."""
    if hasattr(rctx, "watch"):
        for file in files:
            rctx.watch(file)

def python_program(rctx, module, arguments, timeout = 1200):
    """Runs a Python module of this repository with the machine's Python.

    Args:
        rctx: the repository rule's context; the rule has PROGRAM_ATTRS.
        module: the module, as `python3 -m` takes it.
        arguments: its arguments.
        timeout: seconds.

    Returns:
        what `rctx.execute` returns.
    """
    here = rctx.path(rctx.attr._here)
    python = rctx.path(rctx.attr._python)
    root = here.dirname.dirname.dirname
    watch(rctx, [file for file in here.dirname.readdir() if file.basename.endswith(".py")])
    environment = {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    return rctx.execute([python, "-s", "-m", module] + arguments, timeout = timeout, environment = environment)

def named_locks(labels, paths):
    """Arguments that tell a program the locks of editions and their labels, which its messages name.

    Args:
        labels: the locks' labels.
        paths: their paths, in the same order.

    Returns:
        a list of words.
    """
    arguments = []
    for label, path in zip(labels, paths):
        arguments += ["--edition-lock", str(label), str(path)]
    return arguments

def _wheelhouse_impl(rctx):
    locks = [rctx.path(lock) for lock in rctx.attr.locks]
    edition_locks = [rctx.path(lock) for lock in rctx.attr.edition_locks]
    requirements = [rctx.path(file) for file in rctx.attr.requirements]
    pip_lock = rctx.path(rctx.attr._pip_lock)
    watch(rctx, locks + edition_locks + requirements + [pip_lock])
    arguments = ["--pip-lock", str(pip_lock)]
    for lock in locks:
        arguments += ["--lock", str(lock)]
    arguments += named_locks(rctx.attr.edition_locks, edition_locks)
    for platform in PLATFORMS:
        arguments += ["--platform", platform]
    for file in requirements:
        arguments += ["--requirements", str(file)]
    rctx.report_progress("fetching the locked wheels")
    result = python_program(rctx, "editions.toolchain.wheelhouse", arguments)
    if result.return_code:
        fail("@%s: %s" % (rctx.name, result.stdout + result.stderr))

PROGRAM_ATTRS = {
    "_here": attr.label(doc = "Tells where the programs lie.", default = "//editions/toolchain:wheelhouse.py"),
    "_pip_lock": attr.label(doc = "The lock that pins pip.", default = "//editions/toolchain:build.lock"),
    "_python": attr.label(doc = "The interpreter that wheels are fetched for.", default = "@python//:bin/python3"),
}

wheelhouse = repository_rule(
    implementation = _wheelhouse_impl,
    doc = "Fetches the wheels of locks and declares one `wheel` target each.",
    attrs = dict(
        PROGRAM_ATTRS,
        edition_locks = attr.label_list(
            doc = "Hash locks of what editions may contain, the server's first: the same wheels on every host of one platform and Python.",
        ),
        locks = attr.label_list(doc = "Hash locks of everything else; a wheel named twice must be the same.", mandatory = True),
        requirements = attr.label_list(doc = "The `.in` files that say which extras are wanted."),
    ),
    environ = WHEELHOUSE_SETTINGS,
)
