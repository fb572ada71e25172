"""`target_wheelhouses`: for every platform and Python a repository of their wheels, fetched when an edition asks for it.

The work is done by the Python program target_wheelhouse.py; this rule only starts it.
"""

load(":platforms.bzl", "PLATFORMS", "PYTHONS", "wheels_repository")
load(":wheelhouse.bzl", "PROGRAM_ATTRS", "WHEELHOUSE_SETTINGS", "named_locks", "python_program", "watch")

def _target_wheelhouse_impl(rctx):
    locks = [rctx.path(lock) for lock in rctx.attr.locks]
    requirements = [rctx.path(file) for file in rctx.attr.requirements]
    pip_lock = rctx.path(rctx.attr._pip_lock)
    watch(rctx, locks + requirements + [pip_lock])
    arguments = ["--platform", rctx.attr.platform, "--python", rctx.attr.python, "--repository", rctx.name]
    arguments += ["--pip-lock", str(pip_lock)] + named_locks(rctx.attr.locks, locks)
    for file in requirements:
        arguments += ["--requirements", str(file)]
    rctx.report_progress("fetching the locked wheels for %s, Python %s" % (rctx.attr.platform, rctx.attr.python))
    result = python_program(rctx, "editions.toolchain.target_wheelhouse", arguments)
    if result.return_code:
        fail("@%s: %s" % (rctx.name, result.stdout + result.stderr))

_target_wheelhouse = repository_rule(
    implementation = _target_wheelhouse_impl,
    doc = "Fetches a lock's wheels for one platform and Python, whatever the host is.",
    attrs = dict(
        PROGRAM_ATTRS,
        locks = attr.label_list(doc = "The locks of what editions may contain, the server's first.", mandatory = True),
        platform = attr.string(doc = "The platform.", mandatory = True),
        python = attr.string(doc = "The CPython minor version.", mandatory = True),
        requirements = attr.label_list(doc = "The `.in` files that say which extras are wanted.", mandatory = True),
    ),
    environ = WHEELHOUSE_SETTINGS,
)

def target_wheelhouses(locks, requirements):
    """Declares the repositories of all platforms and Pythons; one that no edition asks for is never fetched.

    Args:
        locks: the hash locks of what editions may contain, the server's first.
        requirements: the `.in` files that they were made of.
    """
    for platform in PLATFORMS:
        for python in PYTHONS:
            _target_wheelhouse(
                name = wheels_repository(platform, python),
                locks = locks,
                platform = platform,
                python = python,
                requirements = requirements,
            )
