"""`py_tool` and `run_tool`: Python programs of this repository as build actions.

They run as `python3 -m module` with the interpreter that the workspace found. Native py_binary would bring a C++ toolchain
with it and let the host's site-packages in.
"""

load(":pack.bzl", "collect_pack")
load(":providers.bzl", "PackInfo", "PyToolInfo")

def _root(label):
    return label.workspace_root or "."

def _py_tool_impl(ctx):
    packs = [dep[PackInfo] for dep in ctx.attr.deps]
    wheels = depset(transitive = [pack.wheels for pack in packs]).to_list()
    trees = [wheel.tree for wheel in wheels]
    return [PyToolInfo(
        module = ctx.attr.module,
        files = depset(trees, transitive = [pack.sources for pack in packs]),
        path = [_root(ctx.label)] + [tree.path + "/site-packages" for tree in trees],
    )]

py_tool = rule(
    implementation = _py_tool_impl,
    doc = "A Python program for actions.",
    attrs = {
        "module": attr.string(doc = "The module to run, as `python3 -m` takes it.", mandatory = True),
        "deps": attr.label_list(doc = "Libraries and wheels; one of them holds the module.", aspects = [collect_pack]),
    },
)

PYTHON_ATTR = attr.label(
    doc = "The interpreter that runs tools.",
    default = "@python//:bin/python3",
    allow_single_file = True,
)

def tool_attr(label):
    """An attribute that names a `py_tool`."""
    return attr.label(doc = "A program that the rule's action runs.", default = label, providers = [PyToolInfo])

# The variables that `--action_env` may give tools. The first tells compiled wheels where libraries are on systems without /usr/lib; the
# others let a check set the clock of all actions, since no file may depend on it.
_LOADER = ["LD_LIBRARY_PATH", "LD_PRELOAD", "FAKETIME"]

def _loader(ctx):
    given = ctx.configuration.default_shell_env
    return {name: given[name] for name in _LOADER if name in given}

# A program that runs a tool once, or as a persistent worker of Bazel where the strategy of the action's mnemonic says so.
_PERSISTENT = "editions.tools.tool_process"

def run_tool(ctx, tool, arguments, inputs, outputs, persistent = False, **kwargs):
    """Runs a `py_tool` as an action, without network, host packages or bytecode left behind.

    Args:
        ctx: the rule's context; the rule has an attribute `_python` (PYTHON_ATTR).
        tool: the target of the `py_tool`.
        arguments: list of Args.
        inputs: list of Files or a depset of them.
        outputs: list of Files.
        persistent: whether a persistent worker may run it; the tool contains `tool_process`, and its arguments are one
            file of arguments.
        **kwargs: what else ctx.actions.run takes (mnemonic, progress_message).
    """
    info = tool[PyToolInfo]
    start = ctx.actions.args()
    start.add_all(["-s", "-S", "-m"] + ([_PERSISTENT, info.module] if persistent else [info.module]))
    ctx.actions.run(
        executable = ctx.file._python,
        arguments = [start] + arguments,
        execution_requirements = {"supports-workers": "1"} if persistent else {},
        inputs = inputs if type(inputs) == "depset" else depset(inputs),
        outputs = outputs,
        tools = depset([ctx.file._python], transitive = [info.files]),
        env = dict(
            _loader(ctx),
            LC_ALL = "C.UTF-8",
            PYTHONDONTWRITEBYTECODE = "1",
            PYTHONHASHSEED = "0",
            PYTHONPATH = ":".join(info.path),
        ),
        **kwargs
    )
