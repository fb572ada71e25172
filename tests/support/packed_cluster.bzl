"""`packed_cluster`: a PostgreSQL cluster with the core schema, made once for all tests."""

load("//editions/private:tool.bzl", "PYTHON_ATTR", "run_tool", "tool_attr")

def _packed_cluster_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".tar")
    args = ctx.actions.args()
    args.add(out)
    run_tool(ctx, ctx.attr._pack, [args], [], [out], mnemonic = "PackCluster", progress_message = "Making a database for tests")
    return [DefaultInfo(files = depset([out]))]

packed_cluster = rule(
    implementation = _packed_cluster_impl,
    doc = "Packs a cluster that is shut down. Each has an identifier of its own: its bytes differ from build to build.",
    attrs = {
        "_pack": tool_attr("//tests/support:pack_cluster"),
        "_python": PYTHON_ATTR,
    },
)
