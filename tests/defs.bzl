"""`pytest_test`: tests in Python, run by pytest.

    pytest_test(
        name = "test_timers",
        srcs = ["test_timers.py", "conftest.py"],
        deps = ["//server", "//tests/support"],
        data = ["//editions:minimal"],
        env = {"MINIMAL_PEX": "$(rootpath //editions:minimal)"},
    )

Tests start in the repository's root (in the runfiles), so the path above is one that they can run. `--test_filter=WORDS` is
pytest's `-k`, `--test_arg=-x` passes any other option, `shard_count` spreads the tests of one target over processes.
`//:pyproject.toml` holds the settings. A target that collects no test fails.
"""

load("//editions/private:pytest.bzl", "pytest_rule_test")

def pytest_test(name, srcs, deps = [], data = [], size = "small", env = {}, **kwargs):
    """A test target.

    Args:
        name: the target's name.
        srcs: test modules (test_*.py) and the conftest.py files they need.
        deps: libraries, with the conftest.py files of other folders among them, and wheels.
        data: other files and programs, such as editions.
        size: small (a minute), medium (five), large (fifteen) or enormous.
        env: variables for the tests; $(rootpath LABEL) stands for the path of something in data.
        **kwargs: attributes of every test, such as tags, shard_count and flaky.
    """
    pytest_rule_test(name = name, srcs = srcs, deps = deps, data = data, size = size, env = env, **kwargs)

def pytest_tests(srcs, deps = [], data = [], size = "small", env = {}, **kwargs):
    """One `pytest_test` per test module, named like it: what changed is tested again, and modules run side by side.

    Args:
        srcs: test modules; those in folders below are named `folder.test_x`.
        deps: what all of them need.
        data: what all of them read or run.
        size: of each.
        env: variables of each.
        **kwargs: attributes of each.
    """
    for src in srcs:
        pytest_test(
            name = src[:-len(".py")].replace("/", "."),
            srcs = [src],
            deps = deps,
            data = data,
            size = size,
            env = env,
            **kwargs
        )
