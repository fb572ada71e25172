"""Programs that `bazel run` starts at the root of the repository: an edition with arguments, or a Python program."""

load(":launcher.bzl", "LAUNCHER_ATTRS", "PYTHON_REPOSITORY", "launcher", "quote")
load(":pack.bzl", "collect_pack")
load(":providers.bzl", "PackInfo")

# The interpreter comes last on PATH: only where the machine's own PATH has none of that version.
_EDITION = """\
#!/bin/sh
# Generated for {label}: runs an edition in the caller's folder.
R=$(cd "${{RUNFILES_DIR:-$0.runfiles}}" && pwd) || exit 1
PATH=$PATH:$R/{python}/bin
export PATH
cd "${{BUILD_WORKING_DIRECTORY:-.}}" || exit 1
exec "$(readlink -f "$R/{workspace}/{pex}")" {arguments} "$@"
"""

def _edition_command_impl(ctx):
    script = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(script, is_executable = True, content = _EDITION.format(
        arguments = " ".join([quote(word) for word in ctx.attr.arguments]),
        label = ctx.label,
        pex = ctx.file.edition.short_path,
        python = PYTHON_REPOSITORY,
        workspace = ctx.workspace_name,
    ))
    return [DefaultInfo(executable = script, runfiles = ctx.runfiles([ctx.file.edition] + ctx.files._interpreter))]

edition_command = rule(
    implementation = _edition_command_impl,
    doc = "Runs an edition with arguments in front of the caller's.",
    executable = True,
    attrs = dict(
        LAUNCHER_ATTRS,
        arguments = attr.string_list(doc = "Words in front of the caller's."),
        edition = attr.label(doc = "The edition.", allow_single_file = True, mandatory = True),
    ),
)

def _python_command_impl(ctx):
    stubs = depset(transitive = [target[PackInfo].stubs for target in ctx.attr.stubs])
    listing = ctx.actions.declare_file(ctx.label.name + ".stubs")
    ctx.actions.write(listing, "".join([file.short_path + "\n" for file in stubs.to_list()]))
    return [launcher(
        ctx,
        module = ctx.attr.module,
        libraries = ctx.attr.deps,
        arguments = ["--runfiles", '"$R"', "--stubs", quote(listing.short_path)],
        files = [listing] + stubs.to_list(),
        data = ctx.attr.data,
    )]

python_command = rule(
    implementation = _python_command_impl,
    doc = "Runs a Python program on the repository, with wheels and generated stubs as its inputs.",
    executable = True,
    attrs = dict(
        LAUNCHER_ATTRS,
        data = attr.label_list(doc = "Files that the program needs at run time.", allow_files = True),
        deps = attr.label_list(doc = "Libraries; one of them holds the module.", aspects = [collect_pack]),
        module = attr.string(doc = "The module to run.", mandatory = True),
        stubs = attr.label_list(doc = "Targets whose generated modules the program gets.", aspects = [collect_pack]),
    ),
)

def _python_program_impl(ctx):
    return [launcher(ctx, module = ctx.attr.module, libraries = ctx.attr.deps, data = ctx.attr.data)]

python_program = rule(
    implementation = _python_program_impl,
    doc = "Runs a Python module; BUILD_WORKING_DIRECTORY tells it where the caller stands.",
    executable = True,
    attrs = dict(
        LAUNCHER_ATTRS,
        data = attr.label_list(doc = "Files that the program reads.", allow_files = True),
        deps = attr.label_list(doc = "Libraries; one of them holds the module.", aspects = [collect_pack]),
        module = attr.string(doc = "The module to run.", mandatory = True),
    ),
)
