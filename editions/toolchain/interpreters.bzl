"""`interpreters`: for every platform and Python a repository of its pinned interpreter, for editions that carry one.

The archives come from the folder that FLOVYN_INTERPRETERS names, never from a network; the work is done by interpreter.py.
"""

load(":platforms.bzl", "PLATFORMS", "PYTHONS", "interpreter_repository")
load(":wheelhouse.bzl", "PROGRAM_ATTRS", "python_program", "watch")

def _interpreter_repository_impl(rctx):
    lock = rctx.path(rctx.attr.lock)
    watch(rctx, [lock])
    arguments = ["--platform", rctx.attr.platform, "--python", rctx.attr.python]
    arguments += ["--repository", rctx.name, "--lock", str(lock)]
    result = python_program(rctx, "editions.toolchain.interpreter", arguments)
    if result.return_code:
        fail("@%s: %s" % (rctx.name, result.stdout + result.stderr))

_interpreter_repository = repository_rule(
    implementation = _interpreter_repository_impl,
    doc = "Checks and copies the pinned archive of one platform and Python.",
    attrs = dict(
        PROGRAM_ATTRS,
        lock = attr.label(doc = "The pins.", mandatory = True),
        platform = attr.string(doc = "The platform.", mandatory = True),
        python = attr.string(doc = "The CPython minor version.", mandatory = True),
    ),
    environ = ["FLOVYN_INTERPRETERS"],
)

def interpreters(lock):
    """Declares the repositories of all platforms and Pythons; one that no target asks for is never looked at.

    Args:
        lock: the pins.
    """
    for platform in PLATFORMS:
        for python in PYTHONS:
            _interpreter_repository(
                name = interpreter_repository(platform, python),
                lock = lock,
                platform = platform,
                python = python,
            )
