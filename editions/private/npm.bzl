"""`npm_package` and `npm_site`: files of npm packages, and their place in the site of a plugin."""

load(":providers.bzl", "NpmInfo")

def _npm_package_impl(ctx):
    return [
        DefaultInfo(files = depset(ctx.files.srcs)),
        NpmInfo(files = ctx.files.srcs, facts = ctx.file.facts),
    ]

npm_package = rule(
    implementation = _npm_package_impl,
    doc = "The files of one npm package, in a repository that `npm_files` makes.",
    attrs = {
        "facts": attr.label(doc = "Name, version, integrity and licence, as JSON.", allow_single_file = [".json"], mandatory = True),
        "srcs": attr.label_list(doc = "The files, with the texts of the licence.", allow_files = True),
    },
)

def _npm_site_impl(ctx):
    made = []
    for package in ctx.attr.packages:
        for file in package[NpmInfo].files:
            out = ctx.actions.declare_file("%s/%s" % (ctx.attr.folder, file.basename))
            ctx.actions.symlink(output = out, target_file = file)
            made.append(out)
    return [DefaultInfo(files = depset(made), runfiles = ctx.runfiles(made))]

npm_site = rule(
    implementation = _npm_site_impl,
    doc = "Puts the files of npm packages into a folder of the site of a plugin.",
    attrs = {
        "folder": attr.string(doc = "The folder, from the plugin's.", default = "site/vendor"),
        "packages": attr.label_list(doc = "The packages.", providers = [NpmInfo]),
    },
)
