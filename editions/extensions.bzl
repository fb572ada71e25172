"""`flovyn`: the repositories of `flovyn_server_repositories`, for workspaces with a MODULE.bazel.

    flovyn = use_extension("@flovyn_server//editions:extensions.bzl", "flovyn")
    flovyn.wheels(lock = "//:requirements.lock")  # where plugins need wheels of their own
    use_repo(flovyn, "wheels")

Bazel 4 cannot read this file, and never does.
"""

load("//editions:repositories.bzl", "flovyn_server_repositories")

def _flovyn_impl(mctx):
    locks = {tag.lock: None for module in mctx.modules for tag in module.tags.wheels}
    flovyn_server_repositories(locks = locks.keys())

flovyn = module_extension(
    implementation = _flovyn_impl,
    doc = "A CPython of this machine, and wheels pinned by hash.",
    tag_classes = {
        "wheels": tag_class(
            doc = "Wheels that plugins of a module need besides the server's.",
            attrs = {
                "lock": attr.label(doc = "The hash lock, `<name>.lock` beside its `<name>.in`.", mandatory = True),
            },
        ),
    },
)
