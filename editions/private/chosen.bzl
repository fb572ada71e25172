"""Checks an edition's list of plugins at analysis: a wrong list stops that edition, and only that one, before any work."""

load(":providers.bzl", "ServerPluginInfo")

# True in this repository's own workspace; in another workspace, `//` is the root of that one.
_IS_MAIN = not Label("//editions/private:chosen.bzl").workspace_root

def canonical(label, package):
    """Spells a label in one way, so that two spellings of one target are equal.

    Args:
        label: the label as it is written in a BUILD file.
        package: the package that it was written in.

    Returns:
        '@workspace//package:name' or '//package:name'.
    """
    if label.startswith("@flovyn_server//") and _IS_MAIN:
        label = label[len("@flovyn_server"):]
    if label.startswith(":"):
        return "//%s%s" % (package, label)
    if "//" not in label:
        return "//%s:%s" % (package, label)
    workspace, _, path = label.partition("//")
    if ":" not in path:
        path = "%s:%s" % (path, path.rpartition("/")[2])
    return "%s//%s" % (workspace, path)

def _check_listed_once(label, listed):
    seen = {}
    for plugin in listed:
        if plugin in seen:
            fail("%s: plugin %s is listed twice; list it once" % (label, plugin))
        seen[plugin] = True

def check_plugins(label, listed, targets):
    """Checks an edition's list of plugins.

    Fails when a plugin is listed twice, when something listed is no plugin, and when two plugins have one name.

    Args:
        label: the edition's.
        listed: canonical labels as listed.
        targets: the targets, each once.

    Returns:
        the plugins' ServerPluginInfo, sorted by name whatever the order of the list.
    """
    _check_listed_once(label, listed)
    by_name = {}
    for target in targets:
        if ServerPluginInfo not in target:
            fail("%s: %s is not a plugin; list targets made by server_plugin (plugins/defs.bzl), such as //plugins/hello_world" %
                 (label, target.label))
        name = target[ServerPluginInfo].name
        if name in by_name:
            fail("%s: %s and %s both claim the plugin name '%s'; keep one of them, or rename one (its folder, target and NAME)" %
                 (label, by_name[name].label, target.label, name))
        by_name[name] = target
    return [by_name[name][ServerPluginInfo] for name in sorted(by_name)]
