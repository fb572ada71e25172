"""`core_facts`: writes the proofs of the core's migrations to a file, once for all editions."""

load(":tool.bzl", "PYTHON_ATTR", "run_tool", "tool_attr")

def _core_facts_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".json")
    args = ctx.actions.args()
    args.add_all(ctx.files.migrations, before_each = "--migration").add("--out", out)
    run_tool(ctx, ctx.attr._tool, [args], ctx.files.migrations, [out], mnemonic = "CoreFacts")
    return [DefaultInfo(files = depset([out]))]

core_facts = rule(
    implementation = _core_facts_impl,
    doc = "The proofs of the core's migrations, the objects that these make, and the version of the rules: `<name>.json`.",
    attrs = {
        "migrations": attr.label(doc = "The core's migrations.", allow_files = [".sql"], mandatory = True),
        "_python": PYTHON_ATTR,
        "_tool": tool_attr("//editions/tools:describe_core"),
    },
)
