"""`py_library`: Python modules, with what they read and what they import.

A rule of this repository's own: newer Bazels have none by themselves, and rules from outside would bring downloads with
them. Libraries of other rule sets work as `deps` all the same, see pack.bzl.
"""

load(":pack.bzl", "collect_pack")
load(":providers.bzl", "PackInfo", "merge_runfiles", "pack_info", "repository_of")

def _py_library_impl(ctx):
    workspace = repository_of(ctx.label) or ctx.workspace_name
    package = [ctx.label.package] if ctx.label.package else []
    return [
        DefaultInfo(
            files = depset(ctx.files.srcs),
            runfiles = merge_runfiles(ctx.runfiles(ctx.files.srcs + ctx.files.data), ctx.attr.deps + ctx.attr.data),
        ),
        pack_info(
            sources = ctx.files.srcs + ctx.files.data,
            imports = ["/".join([workspace] + package + [folder]) for folder in ctx.attr.imports],
            deps = [dep[PackInfo] for dep in ctx.attr.deps],
        ),
    ]

py_library = rule(
    implementation = _py_library_impl,
    doc = "Python modules for editions, programs and tests.",
    attrs = {
        "data": attr.label_list(doc = "Files that the modules read.", allow_files = True),
        "deps": attr.label_list(doc = "Libraries and wheels that the modules import.", aspects = [collect_pack]),
        "imports": attr.string_list(doc = "Folders of the package below which import paths begin; by default the workspace's root."),
        "srcs": attr.label_list(doc = "The modules.", allow_files = [".py", ".pyi"]),
    },
)
