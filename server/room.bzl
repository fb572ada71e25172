"""`room`: the library of one package of the server, so that an edit tests again only what depends on it."""

load("//editions/private:library.bzl", "py_library")

def room(deps = []):
    """The library of the calling package, named like it.

    Args:
        deps: the libraries that the package's modules import.
    """
    py_library(
        name = native.package_name().rpartition("/")[2],
        srcs = native.glob(["**/*.py"]),
        data = native.glob(["**/*.css", "**/*.js", "**/*.sql"], allow_empty = True),
        visibility = [
            "//:__pkg__",
            "//editions:__subpackages__",
            "//server:__subpackages__",
            "//tests:__subpackages__",
        ],
        deps = ["//server:package"] + deps,
    )
