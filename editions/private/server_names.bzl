"""`server_names`: writes the names that the server itself takes to a file, once for all editions."""

load(":tool.bzl", "PYTHON_ATTR", "run_tool", "tool_attr")

def _server_names_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".json")
    args = ctx.actions.args()
    args.add(out)
    run_tool(ctx, ctx.attr._tool, [args], [], [out], mnemonic = "ServerNames")
    return [DefaultInfo(files = depset([out]))]

server_names = rule(
    implementation = _server_names_impl,
    doc = "Routes, tables and names that no plugin can take, `<name>.json`.",
    attrs = {
        "_python": PYTHON_ATTR,
        "_tool": tool_attr("//editions/tools:describe_server"),
    },
)
