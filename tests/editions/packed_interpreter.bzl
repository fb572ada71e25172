"""`packed_interpreter`: the interpreter of this machine, as python-build-standalone packs its own."""

load("//editions/private:tool.bzl", "PYTHON_ATTR", "run_tool", "tool_attr")

def _packed_interpreter_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".tar.gz")
    args = ctx.actions.args()
    args.add(out)
    run_tool(ctx, ctx.attr._pack, [args], [], [out], mnemonic = "PackInterpreter")
    return [DefaultInfo(files = depset([out]))]

packed_interpreter = rule(
    implementation = _packed_interpreter_impl,
    doc = "Packs the interpreter that runs the build. Other machines get other bytes: it is for tests alone.",
    attrs = {
        "_pack": tool_attr("//tests/editions:pack_interpreter"),
        "_python": PYTHON_ATTR,
    },
)
