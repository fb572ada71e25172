"""The rule behind `pytest_test`: pytest over declared files, in an empty virtual environment."""

load(":launcher.bzl", "LAUNCHER_ATTRS", "launcher", "quote")
load(":pack.bzl", "collect_pack")

# Programs under test unpack and write below the test's own folder.
_ENV = {
    "HOME": "\"$TEST_TMPDIR\"",
    "PEX_ROOT": "\"$TEST_TMPDIR/pex\"",
    "PYTHONHASHSEED": "0",
}

def _is_test(file):
    return file.basename.startswith("test_") or file.basename.endswith("_test.py")

def _pytest_impl(ctx):
    tests = [file for file in ctx.files.srcs if _is_test(file)]
    if not tests:
        fail("%s: no file in srcs is named test_*.py or *_test.py; pytest would find nothing" % ctx.label)
    env = dict(_ENV)
    for name, value in ctx.attr.env.items():
        env[name] = quote(ctx.expand_location(value, ctx.attr.data))
    return [launcher(
        ctx,
        module = "editions.tools.pytest_main",
        libraries = ctx.attr.deps + ctx.attr._runner,
        # in another workspace, pytest does not find the settings by itself
        arguments = ["-c", quote(ctx.file._config.short_path)] + [quote(file.short_path) for file in tests],
        env = env,
        files = ctx.files.srcs + ctx.files._config,
        data = ctx.attr.data,
    )]

pytest_rule_test = rule(
    implementation = _pytest_impl,
    doc = "Runs pytest. Use the macro `pytest_test` of tests/defs.bzl.",
    test = True,
    attrs = dict(
        LAUNCHER_ATTRS,
        data = attr.label_list(doc = "Files and programs that the tests read or run.", allow_files = True),
        deps = attr.label_list(doc = "Libraries and wheels.", aspects = [collect_pack]),
        env = attr.string_dict(doc = "Variables; $(rootpath …) of data is expanded."),
        srcs = attr.label_list(doc = "Test modules and conftest.py files.", allow_files = [".py"], mandatory = True),
        _config = attr.label(doc = "Holds pytest's settings.", default = "//:pyproject.toml", allow_single_file = True),
        _runner = attr.label_list(
            doc = "pytest, and the program that starts it as Bazel wants it.",
            default = ["//editions/tools:pytest_main", "@wheels//:pytest"],
            aspects = [collect_pack],
        ),
    ),
)
