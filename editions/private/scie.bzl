"""The rule behind the `-scie` targets of `edition`: an edition and the interpreter that runs it, as one file."""

load(":providers.bzl", "InterpreterInfo")
load(":tool.bzl", "PYTHON_ATTR", "run_tool", "tool_attr")

def _proof(ctx, pex, interpreter, scie):
    """SBOM, provenance and checksums of the file."""
    sbom, provenance, sums = [
        ctx.actions.declare_file("%s.scie.%s" % (scie.basename, kind))
        for kind in ("cdx.json", "intoto.jsonl", "SHA256SUMS")
    ]
    of_pex = [file for file in ctx.attr.edition[OutputGroupInfo].proof.to_list() if file.basename.endswith(".cdx.json")][0]
    args = ctx.actions.args()
    args.add("--label", "//%s:%s" % (ctx.label.package, ctx.label.name)).add("--python", interpreter.python)
    args.add("--pex", pex).add("--pex-sbom", of_pex).add("--interpreter", interpreter.archive).add("--scie", scie)
    args.add("--sbom", sbom).add("--provenance", provenance).add("--sums", sums)
    inputs = [pex, of_pex, interpreter.archive, scie]
    run_tool(ctx, ctx.attr._write_scie_proof, [args], inputs, [sbom, provenance, sums], mnemonic = "ScieProof")
    return [sbom, provenance, sums]

def _scie_impl(ctx):
    interpreter = ctx.attr.interpreter[InterpreterInfo]
    if interpreter.missing:
        fail("%s: %s" % (ctx.label, interpreter.missing))
    pex = ctx.file.edition
    out = ctx.actions.declare_file(pex.basename[:-len(".pex")])
    args = ctx.actions.args()
    args.add("--pex", pex).add("--interpreter", interpreter.archive).add("--python", interpreter.python).add("--out", out)
    run_tool(ctx, ctx.attr._write_scie, [args], [pex, interpreter.archive], [out], mnemonic = "EditionScie")
    proof = _proof(ctx, pex, interpreter, out)
    return [DefaultInfo(files = depset([out] + proof), executable = out, runfiles = ctx.runfiles([out] + proof))]

scie_rule = rule(
    implementation = _scie_impl,
    doc = "An edition's file that needs no Python on its machine. Use the macro `edition` of editions/defs.bzl.",
    executable = True,
    attrs = {
        "edition": attr.label(doc = "The edition.", allow_single_file = [".pex"], mandatory = True),
        "interpreter": attr.label(doc = "Its interpreter.", mandatory = True, providers = [InterpreterInfo]),
        "_python": PYTHON_ATTR,
        "_write_scie": tool_attr("//editions/tools:write_scie"),
        "_write_scie_proof": tool_attr("//editions/tools:write_scie_proof"),
    },
)
