"""`collect_pack`: gathers through `deps` what an edition must pack, from native `py_library` targets too.

Sources are taken from the rules' own attributes rather than from runfiles, so that wheels never mix with them and the
sources of other workspaces are not lost.
"""

load(":providers.bzl", "PackInfo", "pack_info", "repository_of")

def _files(rule_files, name):
    return getattr(rule_files, name, [])

def _imports(ctx):
    workspace = repository_of(ctx.label) or ctx.workspace_name
    package = [ctx.label.package] if ctx.label.package else []
    return ["/".join([workspace] + package + [folder]) for folder in getattr(ctx.rule.attr, "imports", [])]

def _collect_pack_impl(target, ctx):
    if PackInfo in target:
        return []
    return [pack_info(
        sources = _files(ctx.rule.files, "srcs") + _files(ctx.rule.files, "data"),
        imports = _imports(ctx),
        deps = [dep[PackInfo] for dep in getattr(ctx.rule.attr, "deps", []) if PackInfo in dep],
    )]

collect_pack = aspect(
    implementation = _collect_pack_impl,
    doc = "Adds PackInfo to Python libraries that have none.",
    attr_aspects = ["deps"],
)
