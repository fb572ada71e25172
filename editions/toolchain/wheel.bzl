"""`wheel`: one locked third-party wheel, as a library for tests and tools and as a file for editions."""

load("//editions/private:providers.bzl", "PackInfo", "WheelInfo", "merge_runfiles", "pack_info")

def _wheel_impl(ctx):
    wheel = WheelInfo(name = ctx.label.name, version = ctx.attr.version, file = ctx.file.whl, tree = ctx.file.tree)
    return [
        DefaultInfo(
            files = depset([ctx.file.whl]),
            runfiles = merge_runfiles(ctx.runfiles(files = [ctx.file.tree]), ctx.attr.deps),
        ),
        pack_info(wheels = [wheel], roots = [wheel.name], deps = [dep[PackInfo] for dep in ctx.attr.deps]),
    ]

wheel = rule(
    implementation = _wheel_impl,
    doc = "A wheel of the wheelhouse. Written by wheelhouse.py, not by hand.",
    attrs = {
        "version": attr.string(doc = "The wheel's version.", mandatory = True),
        "whl": attr.label(doc = "The wheel's file.", allow_single_file = [".whl"], mandatory = True),
        "tree": attr.label(doc = "The unpacked wheel: `site-packages` and `bin`.", allow_single_file = True, mandatory = True),
        "deps": attr.label_list(doc = "The wheels that this one needs.", providers = [PackInfo]),
    },
)
