"""`flovyn_server_repositories`: everything that a build of editions takes from outside, in any workspace.

A workspace of your own needs no more than this beside the server's archive:

    load("@flovyn_server//editions:repositories.bzl", "flovyn_server_repositories")

    flovyn_server_repositories()

No rule set and no module registry is asked: the repositories are a CPython of this machine and wheels pinned by hash.
"""

load("//editions/private:menu.bzl", "editions_menu")
load("//editions/toolchain:buildifier.bzl", "buildifier")
load("//editions/toolchain:interpreters.bzl", "interpreters")
load("//editions/toolchain:python.bzl", "host_python")
load("//editions/toolchain:stub.bzl", "stub_repository")
load("//editions/toolchain:target_wheelhouse.bzl", "target_wheelhouses")
load("//editions/toolchain:wheelhouse.bzl", "wheelhouse")

def flovyn_server_repositories(menu = "@flovyn_server//editions:editions.json"):
    """Declares the repositories; each is fetched when a build needs it.

    Args:
        menu: label of the list of editions, a file like editions.json.
    """
    host_python(name = "python")

    # Wheels that editions may contain, and wheels that build and test editions.
    wheelhouse(
        name = "wheels",
        edition_locks = ["@flovyn_server//editions/toolchain:runtime.lock"],
        locks = ["@flovyn_server//editions/toolchain:build.lock"],
        requirements = ["@flovyn_server//editions/toolchain:runtime.in"],
    )

    # The same for editions of other platforms and Pythons.
    target_wheelhouses(
        lock = "@flovyn_server//editions/toolchain:runtime.lock",
        requirements = "@flovyn_server//editions/toolchain:runtime.in",
    )

    # The interpreters of editions that carry one.
    interpreters(lock = "@flovyn_server//editions/toolchain:interpreters.sha256")

    # Formatters and type checkers, for //:check and //:venv.
    wheelhouse(
        name = "lint_wheels",
        locks = ["@flovyn_server//editions/toolchain:lint.lock"],
    )
    buildifier(
        name = "buildifier",
        integrity = "sha512-eZ/Aq+2r4PcJa6LbPCT6ffgIJfTU/gYilqIzoX2OLM4nNkbQC6tTMPZNn7aHHjhGPxbNLv41zm4Xqt1olCLgXw==",
        lock = "@flovyn_server//editions/toolchain:npm.lock",
        version = "8.2.1",
    )

    # The list of editions as a .bzl file.
    editions_menu(name = "menu", menu = menu)

    # `bazel test` of Bazel 4 wants this repository, which it would otherwise download.
    stub_repository(
        name = "remote_coverage_tools",
        targets = [
            "coverage_report_generator",
            "lcov_merger",
        ],
    )
