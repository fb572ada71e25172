"""`stub_repository`: empty targets in the place of a repository that Bazel names but this build never uses.

Bazel 4 resolves the coverage tools of every test, even when no coverage is asked for, and would download them.
"""

def _stub_repository_impl(rctx):
    rules = ['filegroup(name = "%s", visibility = ["//visibility:public"])' % name for name in rctx.attr.targets]
    rctx.file("BUILD.bazel", "\n".join(rules) + "\n")

stub_repository = repository_rule(
    implementation = _stub_repository_impl,
    doc = "A repository of empty filegroups.",
    attrs = {
        "targets": attr.string_list(doc = "Names of the filegroups.", mandatory = True),
    },
)
