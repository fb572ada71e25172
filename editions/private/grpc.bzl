"""The rule behind `py_grpc_library`: runs protoc from the root of the files' workspace."""

load(":providers.bzl", "PackInfo", "merge_runfiles", "pack_info")
load(":tool.bzl", "PYTHON_ATTR", "run_tool", "tool_attr")

ProtoFilesInfo = provider(
    doc = "The .proto files of a library.",
    fields = {
        "protos": "depset of .proto Files, the target's own and those of its deps.",
    },
)

_SUFFIXES = ["_pb2.py", "_pb2.pyi", "_pb2_grpc.py"]

def _inner_path(file):
    """A file's path from the root of its own workspace."""
    return file.short_path.split("/", 2)[2] if file.short_path.startswith("../") else file.short_path

def _declare(ctx):
    package = ctx.label.package + "/" if ctx.label.package else ""
    outs = []
    for file in ctx.files.srcs:
        base = _inner_path(file)[len(package):-len(".proto")]
        outs += [ctx.actions.declare_file(base + suffix) for suffix in _SUFFIXES]
    return outs

def _generate(ctx, protos, outs):
    roots = {file.owner.workspace_root or ".": None for file in protos.to_list()}
    args = ctx.actions.args()
    args.add_all(roots.keys(), before_each = "--root")
    args.add("--out", "/".join([part for part in [ctx.bin_dir.path, ctx.label.workspace_root] if part]))
    args.add_all([_inner_path(file) for file in ctx.files.srcs])
    run_tool(
        ctx,
        ctx.attr._protoc,
        [args],
        inputs = protos,
        outputs = outs,
        mnemonic = "PyGrpc",
        progress_message = "Generating gRPC modules for %s" % ctx.label,
    )

def _grpc_impl(ctx):
    deps = [dep[ProtoFilesInfo] for dep in ctx.attr.deps]
    protos = depset(ctx.files.srcs, transitive = [dep.protos for dep in deps])
    outs = _declare(ctx)
    _generate(ctx, protos, outs)
    modules = [file for file in outs if file.extension == "py"]
    libraries = ctx.attr.deps + ctx.attr._runtime
    return [
        DefaultInfo(files = depset(outs), runfiles = merge_runfiles(ctx.runfiles(outs), libraries)),
        ProtoFilesInfo(protos = protos),
        pack_info(sources = modules, stubs = outs, deps = [lib[PackInfo] for lib in libraries]),
    ]

grpc_rule = rule(
    implementation = _grpc_impl,
    doc = "Python modules of .proto files. Use the macro `py_grpc_library` of proto/defs.bzl.",
    attrs = {
        "deps": attr.label_list(doc = "Libraries whose .proto files these import.", providers = [ProtoFilesInfo]),
        "srcs": attr.label_list(doc = "The .proto files.", allow_files = [".proto"], mandatory = True),
        "_protoc": tool_attr("//editions/tools:protoc"),
        "_python": PYTHON_ATTR,
        "_runtime": attr.label_list(
            doc = "Libraries that the generated modules import.",
            default = ["@wheels//:grpcio", "@wheels//:protobuf"],
        ),
    },
)
