"""`server_plugin`: one plugin of the server, in one call.

    server_plugin(
        name = "audit_log",                              # the folder's name; the plugin is called audit-log
        entry = "plugins.audit_log.plugin:AuditLogPlugin",
        deps = ["@wheels//:pydantic"],                   # its imports besides core
    )

packs the folder's modules, its `*.sql`, its `migrations/*.sql` and its `site/`; checks that folder, target, NAME and entry agree; and
runs the migration check. An edition that lists the plugin builds only when all of that is well.

It also makes the test target `<name>.conformance`: the plugin on a real PostgreSQL, held against what every plugin must do.
"""

load("//editions/private:library.bzl", _py_library = "py_library")
load("//editions/private:npm.bzl", "npm_site")
load("//editions/private:plugin.bzl", "server_plugin_rule")
load("//tests:defs.bzl", "pytest_test")

# Modules that several plugins use: a library of its own, which is no plugin.
py_library = _py_library

_TESTS = ["tests/**", "**/test_*.py", "**/conftest.py"]

def server_plugin(
        name,
        entry,
        deps = [],
        srcs = None,
        data = None,
        migrations = None,
        test_environ = {},
        npm = [],
        visibility = None,
        **kwargs):
    """A plugin that editions can list, and a library that its tests can use.

    Args:
        name: the folder's name; with hyphens for underscores it is the plugin's name.
        entry: 'module:Class', where the module holds the constants NAME and VERSION.
        deps: what the plugin needs besides //core: wheels, py_grpc_library targets.
        srcs: its modules; all of the folder but tests when None.
        data: its other files; all *.sql of the folder, and the files of its site in site/, when None.
        migrations: its migrations; migrations/*.sql when None.
        test_environ: settings without which the plugin does not start, as variables, for its conformance test.
        npm: targets of `npm_files`; their files are in site/vendor, and the edition's SBOM and licences list them.
        visibility: who may list it in an edition; everybody when None. No plugin can depend on another, whatever it is.
        **kwargs: attributes of every rule, such as tags.
    """
    srcs = native.glob(["**/*.py"], exclude = _TESTS) if srcs == None else srcs
    data = native.glob(["**/*.sql", "site/**"], exclude = _TESTS + ["site/vendor/**"], allow_empty = True) if data == None else data
    migrations = native.glob(["migrations/*.sql"], allow_empty = True) if migrations == None else migrations
    if npm:
        npm_site(name = name + ".npm", packages = npm, visibility = ["//visibility:private"], **kwargs)
        data = data + [name + ".npm"]
    _py_library(
        name = name + ".lib",
        srcs = srcs,
        data = data,
        deps = [Label("//core")] + deps,
        visibility = ["//visibility:private"],
        **kwargs
    )
    own = "//%s:__subpackages__" % native.package_name()
    seen_by = ["//visibility:public"] if visibility == None else visibility
    server_plugin_rule(
        name = name,
        srcs = srcs,
        entry = entry,
        deps = deps,
        library = name + ".lib",
        migrations = migrations,
        npm = npm,
        visibility = seen_by if "//visibility:public" in seen_by else seen_by + [own],
        **kwargs
    )
    pytest_test(
        name = name + ".conformance",
        size = "medium",
        srcs = [Label("//tests/conformance:test_plugin.py")],
        env = {
            "PLUGIN_ENTRY": entry,
            "PLUGIN_ENVIRON": ";".join(["%s=%s" % pair for pair in sorted(test_environ.items())]),
        },
        deps = [
            name,
            Label("//tests/conformance"),
        ],
    )
