"""Shell launchers for Python programs that `bazel test` and `bazel run` start.

They begin in the runfiles, with an interpreter that sees the declared sources and wheels and nothing that happens to be
installed on the machine.
"""

load(":providers.bzl", "PackInfo", "merge_runfiles", "repository_of")

# In front: variables of the shell. R is the folder of all runfiles.
_TEMPLATE = """\
#!/bin/sh
# Generated for {label}.
R=${{RUNFILES_DIR:-${{TEST_SRCDIR:-$0.runfiles}}}}
cd "$R/{workspace}" || exit 1
R=$(cd .. && pwd)
PYTHONPATH=$PWD
for import in {imports}; do PYTHONPATH=$PYTHONPATH:$R/$import; done
PATH=$R/{python}/bin:$PATH
export PATH PYTHONPATH PYTHONDONTWRITEBYTECODE=1
{exports}exec "$R/{python}/venv/bin/python3" -s -m {module} {arguments} "$@"
"""

# The repository of the interpreter; modules give it a name of their own.
PYTHON_REPOSITORY = repository_of(Label("@python//:defs.bzl"))

LAUNCHER_ATTRS = {
    "_interpreter": attr.label_list(
        doc = "An empty virtual environment, and the interpreter itself for programs that look for one on PATH.",
        default = ["@python//:venv", "@python//:bin"],
    ),
}

def quote(word):
    """One word of a shell command."""
    return "'" + word.replace("'", "'\\''") + "'"

def _workspaces(sources):
    """The other workspaces that sources come from; each one's root is a place to import from."""
    names = [repository_of(file.owner) for file in sources]
    return {name: None for name in names if name}.keys()

def _imports(packs):
    """The folders to import from, below the folder of all runfiles."""
    sources = depset(transitive = [pack.sources for pack in packs]).to_list()
    folders = depset(transitive = [pack.imports for pack in packs]).to_list()
    wheels = depset(transitive = [pack.wheels for pack in packs]).to_list()
    return _workspaces(sources) + folders + [wheel.tree.short_path[len("../"):] + "/site-packages" for wheel in wheels]

def launcher(ctx, module, libraries, arguments = [], env = {}, files = [], data = []):
    """Writes a launcher named like the target.

    Args:
        ctx: the rule's context; the rule has LAUNCHER_ATTRS.
        module: the module to run.
        libraries: targets with PackInfo.
        arguments: words in front of the caller's arguments; already quoted, `$R` is the folder of all runfiles.
        env: variables, name to a word quoted likewise.
        files: Files that the program needs at run time.
        data: targets whose files and runfiles it needs.

    Returns:
        the DefaultInfo of the target.
    """
    packs = [library[PackInfo] for library in libraries]
    script = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(script, is_executable = True, content = _TEMPLATE.format(
        arguments = " ".join(arguments),
        exports = "".join(["export %s=%s\n" % (name, value) for name, value in sorted(env.items())]),
        imports = " ".join(_imports(packs)),
        label = ctx.label,
        module = module,
        python = PYTHON_REPOSITORY,
        workspace = ctx.workspace_name,
    ))
    runfiles = ctx.runfiles(
        files + ctx.files._interpreter,
        transitive_files = depset(transitive = [pack.sources for pack in packs] + [target[DefaultInfo].files for target in data]),
    )
    return DefaultInfo(executable = script, runfiles = merge_runfiles(runfiles, libraries + data))
