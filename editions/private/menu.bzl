"""`editions_menu`: turns editions.json into `@menu//:menu.bzl`, because BUILD files cannot read JSON.

The JSON is the one list that the build, other package managers and CI matrices all read.
"""

load("//editions/toolchain:platforms.bzl", "wrong_budget", "wrong_targets")
load("//editions/toolchain:wheelhouse.bzl", "python_program")

_KEYS = ["description", "extras", "max_size_mb", "platforms", "plugins", "pythons"]

_MATRIX_KEYS = ["platforms", "pythons"]

def _check(menu):
    """Returns what is wrong with the menu, or ''."""
    if menu.get("schema") != 1:
        return "\"schema\" must be 1"
    editions = menu.get("editions", {})
    matrix = menu.get("matrix", {})
    for key in matrix:
        if key not in _MATRIX_KEYS:
            return "\"matrix\": unknown key \"%s\"; known are %s" % (key, ", ".join(_MATRIX_KEYS))
    wrong = wrong_targets(matrix.get("platforms", []), matrix.get("pythons", []))
    if wrong:
        return "\"matrix\": " + wrong
    for name, entry in editions.items():
        for key in entry:
            if key not in _KEYS:
                return "edition \"%s\": unknown key \"%s\"; known are %s" % (name, key, ", ".join(_KEYS))
        wrong = (wrong_targets(entry.get("platforms", []), entry.get("pythons", [])) or
                 wrong_budget(entry.get("max_size_mb")))
        if wrong:
            return "edition \"%s\": %s" % (name, wrong)
        if not entry.get("description"):
            return "edition \"%s\": say in \"description\" whom it is for" % name
    if menu.get("default") not in editions:
        return "\"default\" must name one of the editions: " + ", ".join(editions.keys())
    return ""

def _editions_menu_impl(rctx):
    file = rctx.path(rctx.attr.menu)
    if hasattr(rctx, "watch"):
        rctx.watch(file)
    broken = python_program(rctx, "editions.toolchain.json_fault", [str(file)])
    if broken.return_code or broken.stdout:
        fail("%s:%s" % (file, broken.stdout or broken.stderr))
    menu = json.decode(rctx.read(file))
    problem = _check(menu)
    if problem:
        fail("%s: %s" % (rctx.attr.menu, problem))
    rctx.file("BUILD.bazel", "")
    editions = {name: dict(menu.get("matrix", {}), **entry) for name, entry in menu["editions"].items()}
    text = "EDITIONS = %s\n\nDEFAULT = %s\n" % (repr(editions), repr(menu["default"]))
    rctx.file("menu.bzl", '"""The editions of %s."""\n\n' % rctx.attr.menu + text)

editions_menu = repository_rule(
    implementation = _editions_menu_impl,
    doc = "A repository with `menu.bzl`: EDITIONS (name to entry) and DEFAULT (a name).",
    attrs = {
        "menu": attr.label(doc = "The menu, a JSON file.", mandatory = True),
        "_here": attr.label(doc = "Tells where the programs lie.", default = "//editions/toolchain:wheelhouse.py"),
        "_python": attr.label(doc = "The interpreter that reads the menu.", default = "@python//:bin/python3"),
    },
)
