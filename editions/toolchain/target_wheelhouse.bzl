"""`target_wheelhouses`: for every platform and Python a repository of their wheels, fetched when an edition asks for it.

The work is done by the Python program target_wheelhouse.py; this rule only starts it.
"""

load(":platforms.bzl", "PLATFORMS", "PYTHONS", "wheels_repository")
load(":wheelhouse.bzl", "PROGRAM_ATTRS", "WHEELHOUSE_SETTINGS", "python_program", "watch")

def _target_wheelhouse_impl(rctx):
    lock = rctx.path(rctx.attr.lock)
    requirements = rctx.path(rctx.attr.requirements)
    pip_lock = rctx.path(rctx.attr._pip_lock)
    watch(rctx, [lock, requirements, pip_lock])
    arguments = ["--platform", rctx.attr.platform, "--python", rctx.attr.python, "--repository", rctx.name]
    arguments += ["--lock", str(lock), "--requirements", str(requirements), "--pip-lock", str(pip_lock)]
    rctx.report_progress("fetching the locked wheels for %s, Python %s" % (rctx.attr.platform, rctx.attr.python))
    result = python_program(rctx, "editions.toolchain.target_wheelhouse", arguments)
    if result.return_code:
        fail("@%s: %s" % (rctx.name, result.stdout + result.stderr))

_target_wheelhouse = repository_rule(
    implementation = _target_wheelhouse_impl,
    doc = "Fetches a lock's wheels for one platform and Python, whatever the host is.",
    attrs = dict(
        PROGRAM_ATTRS,
        lock = attr.label(doc = "The lock of what editions may contain.", mandatory = True),
        platform = attr.string(doc = "The platform.", mandatory = True),
        python = attr.string(doc = "The CPython minor version.", mandatory = True),
        requirements = attr.label(doc = "The `.in` file that says which extras are wanted.", mandatory = True),
    ),
    environ = WHEELHOUSE_SETTINGS,
)

def target_wheelhouses(lock, requirements):
    """Declares the repositories of all platforms and Pythons; one that no edition asks for is never fetched.

    Args:
        lock: the hash lock of what editions may contain.
        requirements: the `.in` file that it was made of.
    """
    for platform in PLATFORMS:
        for python in PYTHONS:
            _target_wheelhouse(
                name = wheels_repository(platform, python),
                lock = lock,
                platform = platform,
                python = python,
                requirements = requirements,
            )
