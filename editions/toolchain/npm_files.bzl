"""`npm_files`: some files of an npm package, for the site of a plugin.

    npm_files(
        name = "npm_preact",
        package = "preact",
        version = "11.2.0",
        integrity = "sha512-…",
        files = {"dist/preact.mjs": "preact.js"},
    )

`@npm_preact` is then something for `npm` of `server_plugin`. Nothing of the package runs, and none of its dependencies is
fetched: a plugin names each package itself. Which registry serves it is npm's own configuration.
"""

load(":wheelhouse.bzl", "PROGRAM_ATTRS", "python_program", "watch")

def _npm_files_impl(rctx):
    lock = rctx.path(rctx.attr._lock)
    pip_lock = rctx.path(rctx.attr._pip_lock)
    watch(rctx, [lock, pip_lock])
    rctx.report_progress("fetching " + rctx.attr.package)
    result = python_program(rctx, "editions.toolchain.npm_files", [
        "--name=" + rctx.name.split("~")[-1].split("+")[-1],  # with modules, the repository's name has a prefix
        "--package=" + rctx.attr.package,
        "--version=" + rctx.attr.version,
        "--integrity=" + rctx.attr.integrity,
        "--files=" + _json(rctx.attr.files),
        "--imports=" + _json(rctx.attr.imports),
        "--lock=%s" % lock,
        "--pip-lock=%s" % pip_lock,
    ])
    if result.return_code:
        fail("@%s: %s" % (rctx.name, result.stdout + result.stderr))

def _json(texts):
    return "{%s}" % ", ".join(['"%s": "%s"' % pair for pair in texts.items()])

npm_files = repository_rule(
    implementation = _npm_files_impl,
    doc = "A repository with one target of its own name.",
    attrs = dict(
        PROGRAM_ATTRS,
        files = attr.string_dict(doc = "The name to give to a file, by its path inside of the package.", mandatory = True),
        imports = attr.string_dict(doc = "The path that replaces the name of a package where a file imports it."),
        integrity = attr.string(doc = "The package's integrity, `sha512-…`.", mandatory = True),
        package = attr.string(doc = "The package's name.", mandatory = True),
        version = attr.string(doc = "The package's version.", mandatory = True),
        _lock = attr.label(doc = "The hash lock of the wheel that carries npm.", default = "//editions/toolchain:npm.lock"),
    ),
    environ = ["FLOVYN_WHEELHOUSE"],
)
