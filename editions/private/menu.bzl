"""`editions_menu`: turns editions.json into `@menu//:menu.bzl`, because BUILD files cannot read JSON.

The JSON is the one list that the build, other package managers and CI matrices all read.
"""

_KEYS = ["description", "extras", "max_size_mb", "plugins"]

def _check(menu):
    """Returns what is wrong with the menu, or ''."""
    if menu.get("schema") != 1:
        return "\"schema\" must be 1"
    editions = menu.get("editions", {})
    for name, entry in editions.items():
        for key in entry:
            if key not in _KEYS:
                return "edition \"%s\": unknown key \"%s\"; known are %s" % (name, key, ", ".join(_KEYS))
        if not entry.get("description"):
            return "edition \"%s\": say in \"description\" whom it is for" % name
    if menu.get("default") not in editions:
        return "\"default\" must name one of the editions: " + ", ".join(editions.keys())
    return ""

def _editions_menu_impl(rctx):
    file = rctx.path(rctx.attr.menu)
    if hasattr(rctx, "watch"):
        rctx.watch(file)
    menu = json.decode(rctx.read(file))
    problem = _check(menu)
    if problem:
        fail("%s: %s" % (rctx.attr.menu, problem))
    rctx.file("BUILD.bazel", "")
    text = "EDITIONS = %s\n\nDEFAULT = %s\n" % (repr(menu["editions"]), repr(menu["default"]))
    rctx.file("menu.bzl", '"""The editions of %s."""\n\n' % rctx.attr.menu + text)

editions_menu = repository_rule(
    implementation = _editions_menu_impl,
    doc = "A repository with `menu.bzl`: EDITIONS (name to entry) and DEFAULT (a name).",
    attrs = {
        "menu": attr.label(doc = "The menu, a JSON file.", mandatory = True),
    },
)
