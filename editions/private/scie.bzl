"""The rule behind the `-scie` targets of `edition`: an edition and the interpreter that runs it, as one file."""

load(":providers.bzl", "InterpreterInfo")
load(":tool.bzl", "PYTHON_ATTR", "run_tool", "tool_attr")

def _scie_impl(ctx):
    interpreter = ctx.attr.interpreter[InterpreterInfo]
    if interpreter.missing:
        fail("%s: %s" % (ctx.label, interpreter.missing))
    pex = ctx.file.edition
    out = ctx.actions.declare_file(pex.basename[:-len(".pex")])
    sums = ctx.actions.declare_file(out.basename + ".scie.SHA256SUMS")
    args = ctx.actions.args()
    args.add("--pex", pex).add("--interpreter", interpreter.archive).add("--python", interpreter.python).add("--out", out)
    args.add("--sums", sums)
    run_tool(ctx, ctx.attr._write_scie, [args], [pex, interpreter.archive], [out, sums], mnemonic = "EditionScie")
    return [DefaultInfo(files = depset([out, sums]), executable = out)]

scie_rule = rule(
    implementation = _scie_impl,
    doc = "An edition's file that needs no Python on its machine. Use the macro `edition` of editions/defs.bzl.",
    executable = True,
    attrs = {
        "edition": attr.label(doc = "The edition.", allow_single_file = [".pex"], mandatory = True),
        "interpreter": attr.label(doc = "Its interpreter.", mandatory = True, providers = [InterpreterInfo]),
        "_python": PYTHON_ATTR,
        "_write_scie": tool_attr("//editions/tools:write_scie"),
    },
)
