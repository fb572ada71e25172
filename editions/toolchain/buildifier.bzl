"""`buildifier`: the formatter of BUILD and .bzl files, for //:check alone.

It is published as an npm package that carries a binary per platform. Which registry serves it is npm's own configuration;
the npm that fetches it comes from a wheel pinned by hash, so a machine without Node.js will do.
"""

load(":wheelhouse.bzl", "PROGRAM_ATTRS", "python_program", "watch")

def _buildifier_impl(rctx):
    lock = rctx.path(rctx.attr.lock)
    pip_lock = rctx.path(rctx.attr._pip_lock)
    watch(rctx, [lock, pip_lock])
    rctx.report_progress("fetching buildifier")
    result = python_program(rctx, "editions.toolchain.buildifier", [
        "--lock=%s" % lock,
        "--pip-lock=%s" % pip_lock,
        "--version=" + rctx.attr.version,
        "--integrity=" + rctx.attr.integrity,
    ])
    if result.return_code:
        fail("@%s: %s" % (rctx.name, result.stdout + result.stderr))
    rctx.file("BUILD.bazel", 'exports_files(["buildifier"])\n')

buildifier = repository_rule(
    implementation = _buildifier_impl,
    doc = "A repository with one executable, `buildifier`.",
    attrs = dict(
        PROGRAM_ATTRS,
        integrity = attr.string(doc = "The npm package's integrity, `sha512-…`.", mandatory = True),
        lock = attr.label(doc = "The hash lock of the wheel that carries npm.", mandatory = True),
        version = attr.string(doc = "The npm package's version.", mandatory = True),
    ),
    environ = ["FLOVYN_WHEELHOUSE"],
)
