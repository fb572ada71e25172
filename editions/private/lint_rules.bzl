"""`lint_rules`: writes the version of the migration rules to a file, once for all editions."""

load(":tool.bzl", "PYTHON_ATTR", "run_tool", "tool_attr")

def _lint_rules_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".txt")
    args = ctx.actions.args()
    args.add(out)
    run_tool(ctx, ctx.attr._tool, [args], [], [out], mnemonic = "LintRules")
    return [DefaultInfo(files = depset([out]))]

lint_rules = rule(
    implementation = _lint_rules_impl,
    doc = "The version of the migration rules, `<name>.txt`.",
    attrs = {
        "_python": PYTHON_ATTR,
        "_tool": tool_attr("//editions/tools:lint_rules_version"),
    },
)
