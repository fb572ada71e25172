"""`flovyn_server_repositories`: everything that a build of editions takes from outside, in any workspace.

A workspace of your own needs no more than this beside the server's archive:

    load("@flovyn_server//editions:repositories.bzl", "flovyn_server_repositories")

    flovyn_server_repositories()

A workspace whose plugins need wheels of their own names the locks that pin them:

    flovyn_server_repositories(locks = ["//:requirements.lock"])

A workspace with modules calls the extension of extensions.bzl in its MODULE.bazel instead.

No rule set and no module registry is asked: the repositories are a CPython of this machine and wheels pinned by hash.
"""

load("//editions/private:menu.bzl", "editions_menu")
load("//editions/toolchain:buildifier.bzl", "buildifier")
load("//editions/toolchain:interpreters.bzl", "interpreters")
load("//editions/toolchain:npm_files.bzl", "npm_files")
load("//editions/toolchain:python.bzl", "host_python")
load("//editions/toolchain:stub.bzl", "stub_repository")
load("//editions/toolchain:target_wheelhouse.bzl", "target_wheelhouses")
load("//editions/toolchain:wheelhouse.bzl", "wheelhouse")

# The labels of this repository's own files, whatever name another workspace gives it.
_BUILD_LOCK = Label("//editions/toolchain:build.lock")
_RUNTIME_LOCK = Label("//editions/toolchain:runtime.lock")
_RUNTIME_IN = Label("//editions/toolchain:runtime.in")

def _requirements_of(lock):
    """The label of the `.in` file that a lock was made of: it lies beside the lock."""
    lock = str(lock)
    if not lock.endswith(".lock"):
        fail("locks: %s is not named *.lock; `./bazelw run @flovyn_server//editions:lock` makes one of a *.in file" % lock)
    return lock[:-len(".lock")] + ".in"

def flovyn_server_repositories(menu = Label("//editions:editions.json"), locks = []):
    """Declares the repositories; each is fetched when a build needs it.

    Args:
        menu: label of the list of editions, a file like editions.json.
        locks: labels of the locks of plugins' own wheels, each `<name>.lock` beside its `<name>.in`.
    """
    host_python(name = "python")
    requirements = [_requirements_of(lock) for lock in locks]

    # Wheels that editions may contain, and wheels that build and test editions.
    wheelhouse(
        name = "wheels",
        edition_locks = [_RUNTIME_LOCK] + locks,
        locks = [_BUILD_LOCK],
        requirements = [_RUNTIME_IN] + requirements,
    )

    # The same for editions of other platforms and Pythons.
    target_wheelhouses(
        locks = [_RUNTIME_LOCK] + locks,
        requirements = [_RUNTIME_IN] + requirements,
    )

    # The interpreters of editions that carry one.
    interpreters(lock = Label("//editions/toolchain:interpreters.sha256"))

    # Formatters and type checkers, for //:check and //:venv.
    wheelhouse(
        name = "lint_wheels",
        locks = [Label("//editions/toolchain:lint.lock")],
    )
    buildifier(
        name = "buildifier",
        integrity = "sha512-eZ/Aq+2r4PcJa6LbPCT6ffgIJfTU/gYilqIzoX2OLM4nNkbQC6tTMPZNn7aHHjhGPxbNLv41zm4Xqt1olCLgXw==",
        lock = Label("//editions/toolchain:npm.lock"),
        version = "8.2.1",
    )

    # Finds what people with disabilities cannot use; tests of pages load it, and no edition contains it.
    npm_files(
        name = "npm_axe_core",
        files = {"axe.min.js": "axe.min.js"},
        integrity = "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        package = "axe-core",
        version = "4.14.1",
    )

    # Modules for browsers, which the pages of the console import.
    npm_files(
        name = "npm_htm",
        files = {"dist/htm.mjs": "htm.js"},
        integrity = "sha512-983Vyg8NwUE7JkZ6NmOqpCZ+sh1bKv2iYTlUkzlWmA5JD2acKoxd4KVxbMmxX/85mtfdnDmTFoNKcg5DGAvxNQ==",
        package = "htm",
        version = "3.1.1",
    )
    npm_files(
        name = "npm_preact",
        files = {
            "dist/preact.mjs": "preact.js",
            "hooks/dist/hooks.mjs": "hooks.js",
        },
        imports = {"preact": "./preact.js"},
        integrity = "sha512-/HfHI/7N84e6GrWBJ3J280z3mLaRJiDcSvj/A+y/4AbLnND/1UlGHe1sR6oYuTGwId0nP7dqDU9OnLxMPZ7xBg==",
        package = "preact",
        version = "11.2.0",
    )
    npm_files(
        name = "npm_preact_signals",
        files = {"dist/signals.mjs": "signals.js"},
        imports = {
            "@preact/signals-core": "./signals-core.js",
            "preact": "./preact.js",
            "preact/hooks": "./hooks.js",
        },
        integrity = "sha512-Rb+5RPo9gWSaHtzJeauhHxiC8KP/IF2DEPkHPEOGOnuy2wnJzRqyeLRankUCYd6ADqtxS6GnWGv6Ie343d8aYw==",
        package = "@preact/signals",
        version = "2.11.4",
    )
    npm_files(
        name = "npm_preact_signals_core",
        files = {"dist/signals-core.mjs": "signals-core.js"},
        integrity = "sha512-vcRv7Ityz5JVmeiVqIluLFzT/PDS/AlhHUpw3/aUWqcVUs6bDGIPXE/6RSC4evBNWYvnniozg5Syfj33al3gkg==",
        package = "@preact/signals-core",
        version = "1.14.5",
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
